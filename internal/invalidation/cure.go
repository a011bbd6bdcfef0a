package invalidation

import (
	"context"
	"errors"
	"log/slog"
	"strings"
)

// cures are what to do about errors, by what their text holds; the first that fits counts. Words that a server says begin it, but a
// client or a script may put some of its own before.
var cures = [...]struct{ sign, cure string }{
	{"READONLY", "the client reached a replica: lead it to the primary, by NewFailoverClient, NewClusterClient, or a proxy that checks the role"},
	{"MOVED ", "the server is one of a cluster: use NewClusterClient"},
	{"cluster support disabled", "the server is not one of a cluster: use NewClient"},
	{"CLUSTERDOWN", "slots of the cluster have no primary: see CLUSTER NODES"},
	{"NOPERM", "the user lacks rights: docs/invalidation.md lists those that are needed"},
	{"NOAUTH", "the client needs the server's user name and password"},
	{"WRONGPASS", "the client needs the server's user name and password"},
	{"unknown command", "the server, or a proxy before it, lacks a command that is needed: docs/invalidation.md lists them"},
	{"WRONGTYPE", "something else is under this key: delete it, or choose another Prefix"},
	{"OOM ", "Redis is full: raise maxmemory, or let it evict (volatile-lru)"},
	{"MISCONF", "Redis cannot save its data: see its log and disk"},
	{"NOREPLICAS", "the primary misses its replicas (min-replicas-to-write): see INFO replication"},
	{"BUSY ", "a script holds the server up: see SLOWLOG, or end it with SCRIPT KILL"},
	{"max number of clients", "raise maxclients, or give clients smaller pools"},
	{"connection pool", "the client has too few connections: raise PoolSize and MaxActiveConns, to three at least"},
	{"EOF", "the other side hung up: is TLS on at both sides or neither, and does a proxy between take HELLO and EVALSHA?"},
}

const unanswered = "no answer in time: does the client's address lead to a Redis that is up, and is TLS on at both sides or neither?"

// Cure is an attribute for the log that says what to do about an error of Redis or its client; none where the error says it all.
func Cure(err error) slog.Attr {
	if errors.Is(err, context.DeadlineExceeded) {
		return slog.String("cure", unanswered)
	}
	for _, c := range cures {
		if strings.Contains(err.Error(), c.sign) {
			return slog.String("cure", c.cure)
		}
	}
	return slog.Attr{}
}
