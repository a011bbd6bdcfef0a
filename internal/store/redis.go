package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bytes is a store of opaque values; middleware.Store has the same methods and says what they promise.
type Bytes interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Delete(ctx context.Context, keys ...string) error
}

// Redis keeps values as Redis strings, one key each, with Redis's own expiry. Its methods may be called concurrently.
//
// Every call returns when its context ends or, with WithTimeout, when the limit is over, also while the client hangs on
// a silent connection: go-redis ignores contexts there unless ContextTimeoutEnabled says otherwise. A call that was
// given up may still read its key and value afterwards, so neither may be changed or reused.
type Redis struct {
	lanes *lanes
	limit time.Duration // 0: only the callers' contexts bound a call
}

// NewRedis returns the store on client, which stays the caller's to close. A Client, ClusterClient and Ring all do.
func NewRedis(client redis.UniversalClient) *Redis { return &Redis{lanes: newLanes(client)} }

// Get returns the value under key with one GET, or ErrMiss. Concurrent calls share a pipeline and calls for equal keys
// a GET and its value, which nobody may change.
func (r *Redis) Get(ctx context.Context, key string) ([]byte, error) {
	cmd, err := r.lanes.get(ctx, r.limit, RedisKey(key))
	if err != nil {
		return nil, wrapRedis("get", err)
	}
	b, err := cmd.Bytes() // no copy: it aliases what the client read
	if errors.Is(err, redis.Nil) {
		return nil, ErrMiss
	}
	return b, wrapRedis("get", err)
}

// Set keeps value under key for ttl with one SET PX. Redis counts in milliseconds: with less than one, nothing is stored.
func (r *Redis) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl < time.Millisecond {
		return nil
	}
	cmd := redis.NewStatusCmd(ctx, "set", RedisKey(key), value, "px", ttl.Milliseconds())
	if err := r.lanes.do(ctx, r.limit, len(value), cmd); err != nil {
		return wrapRedis("set", err)
	}
	return wrapRedis("set", cmd.Err())
}

// Delete forgets keys with one UNLINK each, as a cluster keeps them in different slots.
func (r *Redis) Delete(ctx context.Context, keys ...string) error {
	cmds := make([]redis.Cmder, len(keys))
	for i, key := range keys {
		cmds[i] = redis.NewIntCmd(ctx, "unlink", RedisKey(key))
	}
	if err := r.lanes.do(ctx, r.limit, 0, cmds...); err != nil {
		return wrapRedis("delete", err)
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil {
			return wrapRedis("delete", err)
		}
	}
	return nil
}

// withTimeout returns a store on the same lanes whose calls return within limit.
func (r *Redis) withTimeout(limit time.Duration) Bytes {
	r.lanes.hangsAfter(limit)
	return &Redis{lanes: r.lanes, limit: limit}
}

func wrapRedis(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("store: redis %s: %w", what, err)
}
