package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// The value of a lease is its holder's token, with contested behind it once somebody else waits for it. That fits one key, so
// that a cluster serves it. No token ends so.
const contested = "+"

const (
	// contendScript takes a lease that is free or the token's own, and else leaves the mark with it for as long as it lasts. What is
	// of another type, or never ends, is somebody else's doing and no lease: nobody would ever give it back.
	contendScript = `local held, left = redis.pcall('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
if type(held) ~= 'string' or left < 0 then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1 end
if held == ARGV[1] or held == ARGV[1] .. '` + contested + `' then return 1 end
if held:sub(-1) ~= '` + contested + `' then redis.call('SET', KEYS[1], held .. '` + contested + `', 'KEEPTTL') end
return 0`

	// releaseScript deletes a lease for its holder only: one that has run out may be another's by now. It returns whether the mark
	// was there. Deleting what is not there is a write all the same, so that a replica, which may not have heard of the lease yet,
	// refuses instead of passing for the server that it is released on.
	releaseScript = `local held = redis.pcall('GET', KEYS[1])
local marked = held == ARGV[1] .. '` + contested + `'
if not held or marked or held == ARGV[1] then redis.call('DEL', KEYS[1]) end
return marked and 1 or 0`
)

// leaseKey is the Redis key of the lease on a key. No key of an entry ends so.
func leaseKey(key string) string { return RedisKey(key + "~lease") }

// Acquire takes the lease on key for ttl, under a token that no other holder has, and reports whether it was free.
func (r *Redis) Acquire(ctx context.Context, key, token string, ttl time.Duration) (bool, error) {
	cmd := redis.NewStatusCmd(ctx, "set", leaseKey(key), token, "nx", "px", ttl.Milliseconds())
	if err := r.lanes.do(ctx, len(token), cmd); err != nil {
		return false, wrapRedis("acquire", err)
	}
	return cmd.Val() == "OK", nil
}

// Contend is Acquire for a caller that asked before. A lease that its token holds already is granted again. Where another token holds
// it, that holder learns from Release that somebody waits.
func (r *Redis) Contend(ctx context.Context, key, token string, ttl time.Duration) (bool, error) {
	granted, err := r.evalLease(ctx, contendScript, key, token, ttl.Milliseconds())
	return granted, wrapRedis("contend", err)
}

// Release gives a lease back and reports whether somebody waits for it; one that is not the token's any more is left alone.
func (r *Redis) Release(ctx context.Context, key, token string) (awaited bool, err error) {
	awaited, err = r.evalLease(ctx, releaseScript, key, token)
	return awaited, wrapRedis("release", err)
}

func (r *Redis) evalLease(ctx context.Context, script, key, token string, args ...any) (bool, error) {
	cmd := redis.NewIntCmd(ctx, append([]any{"eval", script, 1, leaseKey(key), token}, args...)...)
	if err := r.lanes.do(ctx, len(token), cmd); err != nil {
		return false, err // a call that was given up still writes to its command
	}
	return cmd.Val() == 1, nil
}
