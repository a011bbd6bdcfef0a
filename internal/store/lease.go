package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// releaseScript deletes a lease for its holder only: one that has run out may be another's by now.
const releaseScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

// leaseKey is the Redis key of the lease on a key. No key of an entry ends so.
func leaseKey(key string) string { return RedisKey(key + "~lease") }

// Acquire takes the lease on key for ttl, under a token that no other holder has, and reports whether it was free.
func (r *Redis) Acquire(ctx context.Context, key, token string, ttl time.Duration) (bool, error) {
	cmd := redis.NewStatusCmd(ctx, "set", leaseKey(key), token, "nx", "px", ttl.Milliseconds())
	err := r.lanes.do(ctx, len(token), cmd)
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, wrapRedis("acquire", err)
	}
	return cmd.Val() == "OK", nil
}

// Release gives a lease back; one that is not the token's any more is left alone.
func (r *Redis) Release(ctx context.Context, key, token string) error {
	cmd := redis.NewCmd(ctx, "eval", releaseScript, 1, leaseKey(key), token)
	return wrapRedis("release", r.lanes.do(ctx, len(token), cmd))
}
