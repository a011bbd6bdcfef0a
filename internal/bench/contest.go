package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// contest is servers that take turns under the same load, so that what else the machine does meets all of them.
type contest struct {
	name  string
	load  load
	kinds []string // the first is the reference
	rows  []row
}

// row is one figure of a contest.
type row struct {
	what   string
	kind   string // whose
	target target
	unit   string
	value  func(reference, s sample) float64
}

// sample is what one kind of server did under load for one turn.
type sample struct {
	rate       float64 // requests a second
	p99        float64 // milliseconds
	cpu        float64 // of the server, microseconds a request
	redisCPU   float64 // of Redis, likewise
	gets, sets float64 // of Redis, a request
}

func rate(reference, s sample) float64     { return s.rate / reference.rate }
func cpu(reference, s sample) float64      { return s.cpu / reference.cpu }
func redisCPU(reference, s sample) float64 { return s.redisCPU / reference.redisCPU }
func p99(reference, s sample) float64      { return s.p99 / reference.p99 }
func gets(_, s sample) float64             { return s.gets }
func sets(_, s sample) float64             { return s.sets }

// contests are the rows that need a network.
func contests() []contest {
	redisHit := func(name string, connections int, prefix string, keys int, least float64, more ...row) contest {
		name = "Redis hit, " + name
		rows := append([]row{{what: name, kind: kindRedis, target: atLeast(least), unit: "R", value: rate}}, more...)
		return contest{name, load{connections: connections, prefix: prefix, keys: keys}, []string{kindGet, kindRedis}, rows}
	}
	cheap := row{what: "· Redis's CPU a request", kind: kindRedis, target: atMost(0.35), unit: "of one GET's", value: redisCPU}
	quick := row{what: "· p99", kind: kindRedis, target: atMost(1), unit: "of raw GET's", value: p99}
	return []contest{
		{
			name: "memory", load: load{connections: 64, prefix: itemPrefix, keys: 1}, kinds: []string{kindChi, kindMemory, kindTwoTiers},
			rows: []row{
				{"memory hit, 64 connections: CPU a request", kindMemory, atMost(1.05), "× bare", cpu},
				{"· requests a second", kindMemory, atLeast(0.95), "× bare", rate},
				{"two tiers, warm, 64 connections: CPU a request", kindTwoTiers, atMost(1.05), "× bare", cpu},
				{"· requests a second", kindTwoTiers, atLeast(0.95), "× bare", rate},
				{"· GETs a request", kindTwoTiers, atMost(0), "", gets},
			},
		},
		redisHit("64 connections, 1 KiB, one key", 64, itemPrefix, 1, 1.4, cheap),
		redisHit("64 connections, 1 KiB, 10,000 keys", 64, itemPrefix, manyK, 1.4, cheap),
		redisHit("64 connections, 64 KiB, one key", 64, filePrefix, 1, 2),
		redisHit("64 connections, 64 KiB, 1,000 keys", 64, filePrefix, largeK, 2),
		redisHit("1 connection, 1 KiB", 1, itemPrefix, 1, 0.97),
		redisHit("256 connections, 1 KiB, 10,000 keys", 256, itemPrefix, manyK, 1.4, quick),
		{
			name: "miss", load: load{connections: 64, prefix: fillPrefix, keys: 1, once: true}, kinds: []string{kindGet, kindRedis},
			rows: []row{
				{"miss and store in Redis, 64 connections", kindRedis, atLeast(1.2), "× GET + SET", rate},
				{"· SETs a request", kindRedis, atLeast(0.99), "", sets},
			},
		},
	}
}

// arena is the servers, all idle but the one whose turn it is.
type arena struct {
	redis   *redisServer
	servers map[string]*server
	dir     string
	turn    time.Duration
}

func newArena(ctx context.Context, dir string, turn time.Duration) (*arena, error) {
	a := &arena{servers: map[string]*server{}, dir: dir, turn: turn}
	var err error
	if a.redis, err = startRedis(ctx, dir); err != nil {
		return nil, err
	}
	for _, kind := range []string{kindChi, kindMemory, kindTwoTiers, kindGet, kindRedis, kindCold} {
		if a.servers[kind], err = startServer(ctx, kind, a.redis.addr); err != nil {
			return a, fmt.Errorf("server %s: %w", kind, err)
		}
	}
	return a, a.warm(ctx)
}

func (a *arena) stop() {
	for _, s := range a.servers {
		s.stop()
	}
	a.redis.stop()
}

// warm asks for every page once, so that all are stored.
func (a *arena) warm(ctx context.Context) error {
	for _, kind := range []string{kindMemory, kindTwoTiers, kindRedis} {
		s := a.servers[kind]
		for i := 1; i <= manyK && (kind == kindRedis || i == 1); i++ {
			if _, err := read(ctx, http.DefaultClient, "http://"+s.addr+itemPrefix+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	}
	for i := 1; i <= largeK; i++ {
		if _, err := read(ctx, http.DefaultClient, "http://"+a.servers[kindRedis].addr+filePrefix+strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

// round gives each kind of a contest its turn, beginning with another one each time.
func (a *arena) round(ctx context.Context, c contest, n int) (map[string]sample, error) {
	samples := map[string]sample{}
	l := c.load
	if l.once {
		l.prefix += strconv.Itoa(n) + "/"
	}
	for i := range c.kinds {
		kind := c.kinds[(i+n)%len(c.kinds)]
		s, err := a.take(ctx, kind, l)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", c.name, kind, err)
		}
		samples[kind] = s
		if l.once {
			if err := a.redis.forget(ctx); err != nil {
				return nil, err
			}
		}
	}
	return samples, nil
}

// take is one turn.
func (a *arena) take(ctx context.Context, kind string, l load) (sample, error) {
	s := a.servers[kind]
	cpuBefore, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	before, err := a.redis.usage(ctx)
	if err != nil {
		return sample{}, err
	}
	f, err := l.apply(ctx, a.dir, s.addr, a.turn)
	if err != nil {
		return sample{}, err
	}
	after, err := a.redis.usage(ctx)
	if err != nil {
		return sample{}, err
	}
	cpuAfter, err := s.cpu()
	n := float64(f.requests)
	return sample{
		rate:     n / f.duration.Seconds(),
		p99:      f.p99.Seconds() * 1e3,
		cpu:      (cpuAfter - cpuBefore).Seconds() * 1e6 / n,
		redisCPU: (after.cpu - before.cpu).Seconds() * 1e6 / n,
		gets:     (after.gets - before.gets) / n,
		sets:     (after.sets - before.sets) / n,
	}, err
}
