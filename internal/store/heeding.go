package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// executor is what lanes need of a client.
type executor interface {
	Process(ctx context.Context, cmd redis.Cmder) error
	Pipeline() redis.Pipeliner
}

// heeding returns a client on the same connections whose calls end with their contexts, so that a caller may wait inside them. It
// returns nil for a cluster or a ring: their calls also ask other nodes, which no context bounds.
//
// By default go-redis heeds contexts only while it waits for a connection. A copy of the client, which shares its connections, can be
// told to heed them always, but it lacks the client's hooks. A Conn has the hooks that the client has now. So commands go to a Conn,
// and its last hook passes them on to the copy; the Conn never takes a connection itself.
func heeding(client redis.UniversalClient, limit time.Duration) executor {
	c, ok := client.(*redis.Client)
	if !ok {
		return nil
	}
	if c.Options().ContextTimeoutEnabled {
		return c
	}
	heeds := c.WithTimeout(limit)
	heeds.Options().ContextTimeoutEnabled = true
	if !heeds.Options().ContextTimeoutEnabled { // in a version of go-redis whose Options returns a copy
		return nil
	}
	hooks := c.Conn()
	hooks.AddHook(passTo{heeds})
	return hooks
}

// prompt reports whether a call on a client that heeds contexts always returns when its context ends. The client calls functions of
// the user's on the caller's goroutine, to make a connection ready or to admit the call. These may take longer: a CredentialsProvider
// that asks a service for a token does not even get the context.
func prompt(client redis.UniversalClient) bool {
	c, ok := client.(*redis.Client)
	if !ok {
		return false
	}
	o := c.Options()
	return o.OnConnect == nil && o.CredentialsProvider == nil && o.CredentialsProviderContext == nil &&
		o.StreamingCredentialsProvider == nil && o.Limiter == nil
}

// passTo is a hook that has a client execute what comes.
type passTo struct{ client *redis.Client }

func (p passTo) DialHook(next redis.DialHook) redis.DialHook { return next }

func (p passTo) ProcessHook(redis.ProcessHook) redis.ProcessHook { return p.client.Process }

func (p passTo) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		pipe := p.client.Pipeline()
		_ = pipe.BatchProcess(ctx, cmds...) // only queues
		_, err := pipe.Exec(ctx)
		return err
	}
}
