package middleware

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/larderhq/larder/internal/policy"
	"github.com/redis/go-redis/v9"
)

// Options configures a Cache. The zero value is a safe, bounded, in-memory cache.
type Options struct {
	// Redis keeps the responses for a fleet: a *redis.Client, *redis.Ring or *redis.ClusterClient, Sentinel included.
	// nil means memory only; a nil pointer in the interface is an error. Close does not close it: whoever made it does.
	Redis redis.UniversalClient
	// Store is a byte store of the user's own in the place of Redis; it excludes Redis. Not closed by Close.
	Store Store
	// Prefix is the first part of every key and of every Redis key; "" means "larder". Services that share a Redis need one each, or with
	// AnyHost they are given each other's responses.
	Prefix string
	// Header is the name of the hit/miss field; "" means "X-Cache", "-" means none.
	Header string
	// MemoryBytes is the budget of the in-process tier in bytes; 0 means 64 MiB, negative means no in-process tier,
	// which needs Redis or Store.
	MemoryBytes int64
	// MaxBodyBytes is the largest body that is stored; larger ones are streamed. 0 means 8 MiB.
	MaxBodyBytes int64
	// StoreTimeout is the most a request may wait for Redis or Store; 0 means 100 ms.
	StoreTimeout time.Duration
	// FillTimeout is the most a shared run of a handler may take; 0 means 30 s. The handler sees it as its context's end.
	FillTimeout time.Duration
	// Lease is how long a process that hears nothing from the invalidation log goes on trusting what it stored; 0 means 2 s.
	Lease time.Duration
	// IgnoreTypes are request-scoped types that never enter a key, beside the built-in ones of package keybuilder.
	IgnoreTypes []reflect.Type
	// IgnoreClient makes the client's Cache-Control and Pragma change nothing.
	IgnoreClient bool
	// Targets are the names of targeted Cache-Control fields (RFC 9213) that are obeyed, the most specific first;
	// nil means CDN-Cache-Control alone, an empty slice none.
	Targets []string
	// AnnounceTags tells clients the tags of responses as Cache-Groups (RFC 9875).
	AnnounceTags bool
	// ReadYourWrites names a short-lived cookie, set on the responses of write routes (Invalidates), with which no replica answers
	// the client that wrote with anything older; "" means none.
	ReadYourWrites string
	// StatusKey adds the key to Cache-Status (RFC 9211 §2.7), on a miss as on a hit; what passes by has none. Keys may hold what a URL holds: for debugging.
	StatusKey bool
	// Logger receives events; nil means slog.Default(). Keys are logged, values and credentials never.
	Logger *slog.Logger
	// Disabled makes every request pass by, untouched; the invalidations of Invalidate and Invalidates still go out.
	Disabled bool
}

const (
	defaultPrefix       = "larder"
	defaultHeader       = "X-Cache"
	defaultMemoryBytes  = 64 << 20
	defaultMaxBodyBytes = 8 << 20
	defaultStoreTimeout = 100 * time.Millisecond
	defaultFillTimeout  = 30 * time.Second
	defaultLease        = 2 * time.Second
)

func (o Options) withDefaults() Options {
	o.Prefix = cmp.Or(o.Prefix, defaultPrefix)
	o.Header = cmp.Or(o.Header, defaultHeader)
	o.MemoryBytes = cmp.Or(o.MemoryBytes, defaultMemoryBytes)
	o.MaxBodyBytes = cmp.Or(o.MaxBodyBytes, defaultMaxBodyBytes)
	o.StoreTimeout = cmp.Or(o.StoreTimeout, defaultStoreTimeout)
	o.FillTimeout = cmp.Or(o.FillTimeout, defaultFillTimeout)
	o.Lease = cmp.Or(o.Lease, defaultLease)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Targets == nil {
		o.Targets = []string{"CDN-Cache-Control"}
	}
	targets := make([]string, len(o.Targets)) // the caller's slice stays as it is
	for i, name := range o.Targets {
		targets[i] = http.CanonicalHeaderKey(name)
	}
	o.Targets = targets
	o.Header = http.CanonicalHeaderKey(o.Header)
	return o
}

// ownFields are set or evaluated by the cache and have a meaning of their own.
var ownFields = [...]string{
	"Age", "Cache-Control", "Cache-Groups", "Cache-Status", "Cdn-Cache-Control", "Content-Length", "Content-Type", "Date", "Etag", "Expires",
	"Last-Modified", "Set-Cookie", "Vary",
}

// validate lists every contradiction at once, each with its cure.
func (o Options) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("larder: Options."+format, args...)) }
	if o.Redis != nil && isNil(o.Redis) {
		bad("Redis is a nil %T: leave it unset for memory only, or make a client", o.Redis)
	}
	if o.Store != nil && isNil(o.Store) {
		bad("Store is a nil %T: leave it unset for memory only", o.Store)
	}
	if o.Redis != nil && o.Store != nil {
		bad("Redis and Store exclude each other: set one")
	}
	if o.MemoryBytes < 0 && o.Redis == nil && o.Store == nil {
		bad("MemoryBytes is negative and there is neither Redis nor Store: nothing could be stored; set Disabled to switch the cache off")
	}
	switch name := http.CanonicalHeaderKey(o.Header); {
	case o.Header != "" && !policy.IsToken(o.Header): // which "-" is
		bad("Header %q is not a field name", o.Header)
	case slices.Contains(ownFields[:], name):
		bad("Header %q would take the place of a field that the cache or the response has: choose another, or leave it unset for X-Cache", o.Header)
	}
	if o.ReadYourWrites != "" && !policy.IsToken(o.ReadYourWrites) {
		bad("ReadYourWrites %q is not a cookie name", o.ReadYourWrites)
	}
	for _, name := range o.Targets {
		if !policy.IsToken(name) {
			bad("Targets holds %q, which is not a field name", name)
		}
	}
	for _, n := range [...]struct {
		name  string
		value int64
	}{
		{"MaxBodyBytes", o.MaxBodyBytes},
		{"StoreTimeout", int64(o.StoreTimeout)},
		{"FillTimeout", int64(o.FillTimeout)},
		{"Lease", int64(o.Lease)},
	} {
		if n.value < 0 {
			bad("%s is negative: leave it 0 for the default", n.name)
		}
	}
	return errors.Join(errs...)
}

func isNil(v any) bool {
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice:
		return rv.IsNil()
	default:
		return false
	}
}
