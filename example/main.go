// Command example is a small baseball service whose answers Larder keeps: a scoreboard, users in an embedded database, and a
// report that takes its time.
//
//	go run ./example                                     # keeps answers in memory
//	go run ./example -redis redis://127.0.0.1:6379/0     # and in Redis, for a fleet
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	larder "github.com/larderhq/larder/middleware"
	"github.com/redis/go-redis/v9"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then lets the requests in progress finish and closes everything in the order of its use.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	conf, err := parseFlags(args)
	if err != nil {
		return err
	}
	users, err := openUsers(conf.db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, users.close()) }()
	var options larder.Options
	if conf.redis != nil {
		client := redis.NewClient(conf.redis)
		defer func() { err = errors.Join(err, client.Close()) }()
		options.Redis = client
	}
	cache, err := larder.New(options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cache.Close()) }()
	return serve(ctx, conf.listen, newRouter(cache, users), out)
}

func serve(ctx context.Context, address string, h http.Handler, out io.Writer) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, welcome, listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return server.Shutdown(grace)
}

const welcome = `Serving on http://%[1]s - try each line twice:

  curl -i 'http://%[1]s/scoreboard?game_date=20190509'
  curl -i 'http://%[1]s/scoreboard?game_date=yesterday'       # a 400, never stored
  curl -i http://%[1]s/users/1
  curl -i http://%[1]s/users/1 -X PUT -d '{"name":"Nan Alder","team":"Harbor Gulls"}'
  curl -i http://%[1]s/immutable_data
  curl -i http://%[1]s/dynamic_data -H 'Cache-Control: no-cache'
  curl -i http://%[1]s/report                                 # 2 s, then none
  curl -I http://%[1]s/report

`
