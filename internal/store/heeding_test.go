package store_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/auth"
	"go.uber.org/goleak"

	"github.com/larderhq/larder/internal/redistest"
	"github.com/larderhq/larder/internal/store"
)

// slow are the functions that a client's owner may give it, none of which returns before it is told to.
type slow chan struct{}

func (s slow) Allow() error       { <-s; return nil }
func (s slow) ReportResult(error) {}

func (s slow) Subscribe(auth.CredentialsListener) (auth.Credentials, auth.UnsubscribeFunc, error) {
	<-s
	return nil, nil, errors.New("no credentials")
}

// TestUsersFunctionsAreNotWaitedFor: what the client calls to make a connection ready, or to admit a call, may ignore contexts.
func TestUsersFunctionsAreNotWaitedFor(t *testing.T) {
	srv := redistest.Start(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	hang := make(slow)
	for name, o := range map[string]redis.Options{
		"OnConnect":           {OnConnect: func(context.Context, *redis.Conn) error { <-hang; return nil }},
		"CredentialsProvider": {CredentialsProvider: func() (string, string) { <-hang; return "", "" }},
		"CredentialsProviderContext": {CredentialsProviderContext: func(context.Context) (string, string, error) {
			<-hang
			return "", "", nil
		}},
		"StreamingCredentialsProvider": {StreamingCredentialsProvider: hang},
		"Limiter":                      {Limiter: hang},
		"Dialer": {Dialer: func(context.Context, string, string) (net.Conn, error) {
			<-hang
			return nil, errors.New("no connection")
		}},
	} {
		o.Addr = srv.Addr()
		client := redis.NewClient(&o)
		defer func() { _ = client.Close() }()
		t.Run(name, func(t *testing.T) {
			returned := make(chan error, 1)
			go func() {
				_, err := store.WithTimeout(store.NewRedis(client), limit).Get(t.Context(), "k")
				returned <- err
			}()
			select {
			case err := <-returned:
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
			case <-time.After(10 * limit):
				t.Error("waits")
			}
		})
	}
	close(hang)
}
