package middleware

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// rules is what all the Rules of a route come to.
type rules struct {
	ttl         time.Duration // 0: FromHeaders
	fromHeaders bool

	name       string
	anyHost    bool
	queryMode  queryMode
	query      []string // sorted; with querySome
	headers    []string // canonical, sorted
	cookies    []string // sorted
	hasCookies bool
	params     []param
	user       func(*http.Request) string

	public       bool
	storeCookies bool
	heuristic    bool
	browser      time.Duration // valid if hasBrowser
	hasBrowser   bool
	cdn          time.Duration
	hasCDN       bool
	stale        time.Duration
	staleIfError time.Duration
	negative     map[int]time.Duration
	tags         []string
	once         bool
	ahead        bool
	budget       int      // newly stored entries a minute
	vary         []string // what the key splits by, for Vary
}

type param struct {
	name string
	f    func(*http.Request) (any, error)
}

type queryMode uint8

const (
	queryAll queryMode = iota
	querySome
	queryNone
)

func uniqueSorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// compile puts the rules together and refuses contradictions.
func compile(ttl time.Duration, fromHeaders bool, list []Rule) rules {
	r := rules{ttl: min(ttl, OneYear), fromHeaders: fromHeaders}
	for _, rule := range list {
		if rule == nil {
			panic("larder: a nil Rule")
		}
		rule(&r)
	}
	r.vary = slices.Clone(r.headers)
	if len(r.cookies) > 0 {
		r.vary = append(r.vary, "Cookie")
	}
	if r.user != nil { // the next user of the same browser is not to be shown what it keeps of the last one
		r.vary = append(r.vary, "Authorization", "Cookie")
	}
	r.vary = uniqueSorted(r.vary)
	r.budget = cmp.Or(r.budget, defaultBudget)
	switch {
	case r.public && r.user != nil:
		panic("larder: Public and PerUser exclude each other: an answer is for everybody or for one user")
	case r.user != nil && r.hasCDN:
		panic("larder: PerUser and CDN exclude each other: a private answer must not be kept by a shared cache")
	}
	return r
}
