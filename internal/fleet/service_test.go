package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/redis/go-redis/v9"

	larder "github.com/larderhq/larder/middleware"
)

// replicaEnv holds the settings of a replica, and makes the test binary one.
const replicaEnv = "LARDER_FLEET_REPLICA"

// settings are what a replica is told when it starts.
type settings struct {
	Redis    backend
	Via      map[string]string // the address of a Redis server → that of the replica's own proxy to it
	Database string            // URL
	Lease    time.Duration
	Timeout  time.Duration // of the store
}

// backend says how clients reach Redis.
type backend struct {
	Addrs          []string // of the server, the cluster's nodes or the sentinels
	Primary        string   // the name that the sentinels know
	Cluster        bool
	User, Password string
	Authority      []byte // the certificate that signed the servers', in PEM; nil: no TLS
}

// client returns a client that dials the proxies instead of the servers.
func (b backend) client(via map[string]string) redis.UniversalClient {
	options := &redis.UniversalOptions{
		Addrs: b.Addrs, MasterName: b.Primary, Username: b.User, Password: b.Password,
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if proxy, ok := via[addr]; ok {
				addr = proxy
			}
			if b.Authority == nil {
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(b.Authority)
			return (&tls.Dialer{Config: &tls.Config{RootCAs: roots}}).DialContext(ctx, network, addr)
		},
	}
	if !b.Cluster {
		return redis.NewUniversalClient(options)
	}
	cluster := options.Cluster()
	cluster.ClusterStateReloadInterval = time.Hour // It is for the cache to notice that a server has gone.
	return redis.NewClusterClient(cluster)
}

// serve is a replica's life: it serves on the listener that it inherits until its standard input ends.
func serve(text string) int {
	if err := serveUntilEOF(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serveUntilEOF(text string) (err error) {
	var s settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	client := s.Redis.client(s.Via)
	cache, err := larder.New(larder.Options{
		Redis: client, Lease: s.Lease, StoreTimeout: s.Timeout, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cache.Close(), client.Close()) }()
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes(cache, s.Database), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with ErrServerClosed
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, server.Close())
}

// itemLifetime is short enough that items become stale under load, and are served so while they are refreshed.
const itemLifetime = 5 * time.Second

func routes(cache *larder.Cache, database string) http.Handler {
	r := chi.NewRouter()
	item := func(w http.ResponseWriter, r *http.Request) { answer(w, r, database) }
	r.With(cache.For(itemLifetime, larder.Stale(time.Minute), larder.Tags("items", "item:{id}"))).Get("/items/{id}", item)
	r.With(cache.For(itemLifetime, larder.Once())).Get("/once/{id}", item)
	r.Post("/purge", func(w http.ResponseWriter, r *http.Request) {
		if err := cache.Invalidate(r.Context(), selector(r.URL.Query().Get("by"), r.URL.Query().Get("value"))); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	return r
}

func selector(by, value string) larder.Selector {
	switch by {
	case "tag":
		return larder.Tag(value)
	case "path":
		return larder.Path(value)
	case "route":
		return larder.Route(value)
	case "key":
		return larder.Key(value)
	default:
		return larder.All()
	}
}

// answer tells the version of an item that the database knows.
func answer(w http.ResponseWriter, r *http.Request, database string) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, database+"/"+chi.URLParam(r, "id"), nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.Copy(w, resp.Body) // the client may have left
}
