package main

import (
	"flag"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// config is what the command line says.
type config struct {
	listen string
	db     string
	redis  *redis.Options // nil: memory only
}

func parseFlags(args []string) (config, error) {
	var conf config
	flags := flag.NewFlagSet("example", flag.ContinueOnError)
	flags.StringVar(&conf.listen, "listen", "127.0.0.1:8080", "`address` to serve on")
	flags.StringVar(&conf.db, "db", "", "`file` that holds the users; made if missing (default: a temporary one)")
	url := flags.String("redis", "", "`URL` of a Redis to share answers through, as in redis://127.0.0.1:6379/0 (default: memory only)")
	if err := flags.Parse(args); err != nil {
		return conf, err
	}
	if flags.NArg() > 0 {
		return conf, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *url == "" {
		return conf, nil
	}
	var err error
	if conf.redis, err = redis.ParseURL(*url); err != nil {
		return conf, fmt.Errorf("-redis: %w", err)
	}
	return conf, nil
}
