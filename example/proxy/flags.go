package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	larder "github.com/larderhq/larder/middleware"
	"github.com/redis/go-redis/v9"
)

// defaultIdle is below the shortest idle connection time-out that origins have by default: the five seconds of Node.js and of
// Apache httpd. A connection that the origin closes while a request is on its way costs that request.
const defaultIdle = 4 * time.Second

// config is what the command line says.
type config struct {
	origin       *url.URL
	listen       string
	idle         time.Duration
	redis        *redis.Options // nil: memory only
	staleIfError time.Duration
	storeCookies bool
	heuristics   bool
}

func parseFlags(args []string, out io.Writer) (*config, error) {
	var conf config
	flags := flag.NewFlagSet("proxy", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Func("origin", "`URL` of the origin, as in http://127.0.0.1:8000 (required)", conf.setOrigin)
	flags.StringVar(&conf.listen, "listen", "127.0.0.1:8080", "`address` to serve on")
	flags.DurationVar(&conf.idle, "idle", defaultIdle, "how long an idle connection is kept: less than the origin keeps it")
	flags.Func("redis", "host:port or `URL` of a Redis that keeps the responses for a fleet (default: memory only)", conf.setRedis)
	flags.DurationVar(&conf.staleIfError, "stale-if-error", 0, "serve stale for so long when the origin fails")
	flags.BoolVar(&conf.storeCookies, "store-cookies", false, "store responses with Set-Cookie")
	flags.BoolVar(&conf.heuristics, "heuristics", false, "give a response without a lifetime a tenth of its age")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case conf.origin == nil:
		return nil, errors.New("-origin is missing")
	case conf.idle <= 0 || conf.staleIfError < 0:
		return nil, errors.New("-idle must be positive and -stale-if-error not negative")
	}
	return &conf, nil
}

func (c *config) setOrigin(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return errors.New("give a scheme and a host, as in http://127.0.0.1:8000")
	}
	c.origin = &url.URL{Scheme: u.Scheme, Host: u.Host}
	return nil
}

func (c *config) setRedis(s string) (err error) {
	if !strings.Contains(s, "://") {
		s = "redis://" + s
	}
	c.redis, err = redis.ParseURL(s)
	return err
}

// rules are what the flags say about every response.
func (c *config) rules() (rules []larder.Rule) {
	if c.staleIfError > 0 {
		rules = append(rules, larder.StaleIfError(c.staleIfError))
	}
	if c.storeCookies {
		rules = append(rules, larder.StoreCookies())
	}
	if c.heuristics {
		rules = append(rules, larder.Heuristic())
	}
	return rules
}
