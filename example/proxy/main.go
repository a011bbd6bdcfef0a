// Command proxy is Larder as a shared cache in front of any HTTP origin: plain net/http, no router, RFC 9111 alone decides what
// is stored and for how long.
//
//	go run ./example/proxy -origin http://127.0.0.1:8000 -listen 127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	larder "github.com/larderhq/larder/middleware"
	"github.com/redis/go-redis/v9"
)

// shutdownTimeout bounds how long requests in progress may take once the proxy is told to stop.
const shutdownTimeout = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then lets the requests in progress finish and closes everything in the order of its use.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	conf, err := parseFlags(args, out)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(out, nil))
	options := larder.Options{Logger: logger}
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
	proxy := newProxy(conf.origin, conf.idle, logger)
	defer proxy.close()
	return serve(ctx, conf.listen, gateway(cache.FromHeaders(conf.rules()...)(proxy)), logger)
}

func serve(ctx context.Context, address string, h http.Handler, logger *slog.Logger) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	logger.Info("serving", "address", listener.Addr().String())
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return server.Shutdown(grace)
}
