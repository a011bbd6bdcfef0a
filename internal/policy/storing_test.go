package policy

import (
	"slices"
	"testing"
	"time"
)

// modes are the two ways to wire a route: a lifetime of its own, or RFC 9111 alone.
var modes = map[string]Rules{"For": {TTL: time.Minute}, "FromHeaders": {FromHeaders: true}}

func store(status int, rules Rules, request Request, fields ...string) (Terms, Reason) {
	if request.Method == "" {
		request.Method = "GET"
	}
	return Store(request, Response{Status: status, Header: header(fields...), RequestTime: noon, ResponseTime: noon}, rules)
}

func TestStoreRefuses(t *testing.T) {
	const fresh = "Cache-Control: max-age=60"
	tests := map[string]struct {
		status int // 0 is 200
		method string
		fields []string
		want   Reason
	}{
		"§3 what may be stored":              {fields: []string{fresh}},
		"§3 method HEAD":                     {method: "HEAD", fields: []string{fresh}, want: ReasonMethod},
		"§3 method POST":                     {method: "POST", fields: []string{fresh}, want: ReasonMethod},
		"§3 method get":                      {method: "get", fields: []string{fresh}, want: ReasonMethod},
		"§3 an informational status":         {status: 103, fields: []string{fresh}, want: ReasonStatus},
		"§3 101":                             {status: 101, fields: []string{fresh}, want: ReasonStatus},
		"§3 304":                             {status: 304, fields: []string{fresh}, want: ReasonStatus},
		"§3.3 206":                           {status: 206, fields: []string{fresh}, want: ReasonPartial},
		"RFC 6585 §4 429":                    {status: 429, fields: []string{fresh}, want: ReasonStatus},
		"RFC 9110 §15 a status that is none": {status: 600, fields: []string{fresh}, want: ReasonStatus},
		"§3.1 trailer fields":                {fields: []string{fresh, "Trailer: Digest"}, want: ReasonTrailer},
		"§5.2.2.5 no-store":                  {fields: []string{"Cache-Control: max-age=60, no-store"}, want: ReasonNoStore},
		"§5.2.2.5 no-store in capitals, on line two":       {fields: []string{fresh, "Cache-Control: NO-STORE"}, want: ReasonNoStore},
		"§5.2.2.3 must-understand, understood":             {fields: []string{"Cache-Control: no-store, must-understand, max-age=60"}},
		"§5.2.2.3 must-understand, not understood":         {status: 299, fields: []string{"Cache-Control: no-store, must-understand, max-age=60"}, want: ReasonStatus},
		"§5.2.2.3 must-understand alone, not understood":   {status: 499, fields: []string{"Cache-Control: must-understand, max-age=60"}, want: ReasonStatus},
		"§5.2.2.7 private":                                 {fields: []string{"Cache-Control: private, max-age=60"}, want: ReasonPrivate},
		"§5.2.2.7 private beside public":                   {fields: []string{"Cache-Control: public, private, s-maxage=60"}, want: ReasonPrivate},
		"§5.2.2.7 private of fields":                       {fields: []string{`Cache-Control: private="a", max-age=60`, "A: 1"}},
		"§5.2.2.4 no-cache without a validator":            {fields: []string{"Cache-Control: no-cache, max-age=60"}, want: ReasonNoCache},
		"§5.2.2.4 no-cache of fields":                      {fields: []string{`Cache-Control: no-cache="a", max-age=60`, "A: 1"}},
		"§7.3 Set-Cookie":                                  {fields: []string{fresh, "Set-Cookie: a=b"}, want: ReasonSetCookie},
		"§7.3 Set-Cookie, public":                          {fields: []string{"Cache-Control: public, max-age=60", "Set-Cookie: a=b"}, want: ReasonSetCookie},
		"§5.2.2.7 Set-Cookie that is private":              {fields: []string{`Cache-Control: public, max-age=60, private="set-cookie"`, "Set-Cookie: a=b"}},
		"§5.2.2.4 Set-Cookie that is no-cache":             {fields: []string{`Cache-Control: s-maxage=60, no-cache="set-cookie"`, "Set-Cookie: a=b"}},
		"§4.1 Vary: *":                                     {fields: []string{fresh, "Vary: *"}, want: ReasonVary},
		"§4.1 * on line two":                               {fields: []string{fresh, "Vary: Accept", "Vary: Cookie , *"}, want: ReasonVary},
		"§4.1 Vary":                                        {fields: []string{fresh, "Vary: Accept"}},
		"§4.2.1 max-age=0":                                 {fields: []string{"Cache-Control: max-age=0"}, want: ReasonExpired},
		"§4.2.1 s-maxage=0":                                {fields: []string{"Cache-Control: max-age=9, s-maxage=0"}, want: ReasonExpired},
		"§5.3 Expires: 0":                                  {fields: []string{"Expires: 0"}, want: ReasonExpired},
		"§4.2.1 max-age=0, stale allowed":                  {fields: []string{"Cache-Control: max-age=0, stale-while-revalidate=9"}},
		"§4.2.1 max-age=0, stale allowed on error":         {fields: []string{"Cache-Control: max-age=0, stale-if-error=9"}},
		"§4.2.4 max-age=0, stale allowed and forbidden":    {fields: []string{"Cache-Control: max-age=0, stale-if-error=9, must-revalidate"}, want: ReasonExpired},
		"§5.4 Pragma in a response means nothing":          {fields: []string{fresh, "Pragma: no-cache"}},
		"RFC 9213 §2.2 targeted no-store":                  {fields: []string{fresh, "CDN-Cache-Control: no-store"}, want: ReasonNoStore},
		"RFC 9213 §2.2 targeted private":                   {fields: []string{fresh, "CDN-Cache-Control: private"}, want: ReasonPrivate},
		"RFC 9213 §2.2 targeted no-cache":                  {fields: []string{fresh, "CDN-Cache-Control: no-cache"}, want: ReasonNoCache},
		"RFC 9213 §2.2 targeted against no-store":          {fields: []string{"Cache-Control: no-store", "CDN-Cache-Control: max-age=60"}},
		"RFC 9213 §2.1 invalid targeted against no-store":  {fields: []string{"Cache-Control: no-store", "CDN-Cache-Control: max-age=60, &"}, want: ReasonNoStore},
		"RFC 9213 §2.1 mistyped targeted against no-store": {fields: []string{"Cache-Control: no-store", `CDN-Cache-Control: max-age="60"`}, want: ReasonExpired},
		"RFC 9213 §3.1 an empty one against no-store":      {fields: []string{"Cache-Control: no-store", "CDN-Cache-Control:"}, want: ReasonNoStore},
		"§3 404 with a lifetime":                           {status: 404, fields: []string{fresh}},
		"§3 500 with a lifetime":                           {status: 500, fields: []string{fresh}},
		"§3 599 with a lifetime":                           {status: 599, fields: []string{fresh}},
		"§3 201 with Expires":                              {status: 201, fields: []string{"Expires: " + at(time.Hour)}},
		"§3 302 without a lifetime":                        {status: 302, fields: []string{`ETag: "a"`}, want: ReasonStatus},
		"§3 500 without a lifetime":                        {status: 500, fields: []string{`ETag: "a"`}, want: ReasonStatus},
		"§3 599 without a lifetime":                        {status: 599, fields: []string{`ETag: "a"`}, want: ReasonStatus},
	}
	for name, test := range tests {
		if test.status == 0 {
			test.status = 200
		}
		for mode, rules := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				if _, reason := store(test.status, rules, Request{Method: test.method}, test.fields...); reason != test.want {
					t.Errorf("got %q, want %q", reason, test.want)
				}
			})
		}
	}
}

func TestStoreByRules(t *testing.T) {
	forRoute, fromHeaders := modes["For"], modes["FromHeaders"]
	tests := map[string]struct {
		rules  Rules
		status int // 0 is 200
		fields []string
		want   Reason
	}{
		"For: no lifetime of its own":                        {rules: forRoute},
		"For: 404 of no lifetime":                            {rules: forRoute, status: 404, want: ReasonStatus},
		"For: 404 of no lifetime, public":                    {rules: forRoute, status: 404, fields: []string{"Cache-Control: public"}, want: ReasonStatus},
		"For: 404 that is Negative":                          {rules: Rules{TTL: time.Minute, Negative: map[int]time.Duration{404: 1}}, status: 404},
		"For: 429 that is Negative":                          {rules: Rules{TTL: time.Minute, Negative: map[int]time.Duration{429: 1}}, status: 429, want: ReasonStatus},
		"For: no-cache with a validator":                     {rules: forRoute, fields: []string{"Cache-Control: no-cache", `ETag: "a"`}, want: ReasonNoCache},
		"For: no-store against the handler's TTL":            {rules: Rules{TTL: 1, Override: 9}, fields: []string{"Cache-Control: no-store"}, want: ReasonNoStore},
		"For: max-age=0 with a validator":                    {rules: forRoute, fields: []string{"Cache-Control: max-age=0", `ETag: "a"`}, want: ReasonExpired},
		"For: max-age=0 with Stale":                          {rules: Rules{TTL: 1, Stale: time.Hour}, fields: []string{"Cache-Control: max-age=0"}},
		"For: older than its lifetime":                       {rules: forRoute, fields: []string{"Cache-Control: max-age=60", "Age: 60"}, want: ReasonExpired},
		"For: our lifetime, whatever the age":                {rules: forRoute, fields: []string{"Age: 3600"}},
		"§3 no lifetime and nothing to validate":             {rules: fromHeaders, want: ReasonExpired},
		"§3 no lifetime, entity tag":                         {rules: fromHeaders, fields: []string{`ETag: "a"`}},
		"§3 no lifetime, Last-Modified":                      {rules: fromHeaders, fields: []string{"Last-Modified: " + at(-time.Hour)}},
		"§3 no lifetime, invalid Last-Modified":              {rules: fromHeaders, fields: []string{"Last-Modified: x"}, want: ReasonExpired},
		"§3 no lifetime, two entity tags":                    {rules: fromHeaders, fields: []string{`ETag: "a"`, `ETag: "b"`}, want: ReasonExpired},
		"§3 no lifetime, 404 with entity tag":                {rules: fromHeaders, status: 404, fields: []string{`ETag: "a"`}},
		"§3 no lifetime, 201 with entity tag":                {rules: fromHeaders, status: 201, fields: []string{`ETag: "a"`}, want: ReasonStatus},
		"§5.2.2.9 no lifetime, public 201 with entity tag":   {rules: fromHeaders, status: 201, fields: []string{"Cache-Control: public", `ETag: "a"`}},
		"§4.2.2 heuristics":                                  {rules: Rules{FromHeaders: true, Heuristic: true}, fields: []string{"Last-Modified: " + at(-time.Hour)}},
		"§5.2.2.4 no-cache with a validator":                 {rules: fromHeaders, fields: []string{"Cache-Control: no-cache", `ETag: "a"`}},
		"§4.3 max-age=0 with a validator":                    {rules: fromHeaders, fields: []string{"Cache-Control: max-age=0", `ETag: "a"`}},
		"§4.3 max-age=0, must-revalidate, with a validator":  {rules: fromHeaders, fields: []string{"Cache-Control: max-age=0, must-revalidate", `ETag: "a"`}},
		"§5.2.1.2 older than its lifetime":                   {rules: fromHeaders, fields: []string{"Cache-Control: max-age=60", "Age: 60"}},
		"§4.2.4 older than its lifetime, stale forbidden":    {rules: fromHeaders, fields: []string{"Cache-Control: s-maxage=60", "Age: 60"}, want: ReasonExpired},
		"§5.2.2.7 private, per user":                         {rules: Rules{TTL: time.Minute, Private: true}, fields: []string{"Cache-Control: private"}},
		"§5.2.2.5 no-store, per user":                        {rules: Rules{TTL: time.Minute, Private: true}, fields: []string{"Cache-Control: no-store"}, want: ReasonNoStore},
		"§5.2.2.7 private, Public":                           {rules: Rules{TTL: time.Minute, Public: true}, fields: []string{"Cache-Control: private"}, want: ReasonPrivate},
		"§7.3 Set-Cookie, Public":                            {rules: Rules{TTL: time.Minute, Public: true}, fields: []string{"Set-Cookie: a=b"}, want: ReasonSetCookie},
		"§7.3 Set-Cookie, per user":                          {rules: Rules{TTL: time.Minute, Private: true}, fields: []string{"Set-Cookie: a=b"}, want: ReasonSetCookie},
		"§5.2.2.4 withheld Set-Cookie, FromHeaders":          {rules: fromHeaders, fields: []string{`Cache-Control: max-age=60, no-cache="Set-Cookie"`, "Set-Cookie: a=b"}},
		"For: withheld Set-Cookie":                           {rules: forRoute, fields: []string{`Cache-Control: no-cache="Set-Cookie"`, "Set-Cookie: a=b"}, want: ReasonSetCookie},
		"For: withheld Set-Cookie and a lifetime":            {rules: forRoute, fields: []string{`Cache-Control: max-age=60, private="Set-Cookie"`, "Set-Cookie: a=b"}, want: ReasonSetCookie},
		"Public: withheld Set-Cookie":                        {rules: Rules{TTL: time.Minute, Public: true}, fields: []string{`Cache-Control: no-cache="Set-Cookie"`, "Set-Cookie: a=b"}},
		"PerUser: withheld Set-Cookie":                       {rules: Rules{TTL: time.Minute, Private: true}, fields: []string{`Cache-Control: no-cache="Set-Cookie"`, "Set-Cookie: a=b"}},
		"§7.3 Set-Cookie, StoreCookies":                      {rules: Rules{TTL: time.Minute, StoreCookies: true}, fields: []string{"Set-Cookie: a=b"}},
		"RFC 9213 §2.2 a target list of one's own":           {rules: Rules{FromHeaders: true, Targets: []string{"Own"}}, fields: []string{"Own: no-store", "Cache-Control: max-age=9"}, want: ReasonNoStore},
		"RFC 9213 §2.2 an empty list, CDN-Cache-Control out": {rules: Rules{FromHeaders: true, Targets: []string{}}, fields: []string{"CDN-Cache-Control: no-store", "Cache-Control: max-age=9"}},
	}
	for name, test := range tests {
		if test.status == 0 {
			test.status = 200
		}
		t.Run(name, func(t *testing.T) {
			if _, reason := store(test.status, test.rules, Request{}, test.fields...); reason != test.want {
				t.Errorf("got %q, want %q", reason, test.want)
			}
		})
	}
}

func TestStoreWithCredentials(t *testing.T) {
	authorization := Request{Credentials: ReasonAuthorization}
	cookie := Request{Credentials: ReasonCookie}
	tests := map[string]struct {
		request          Request
		change           func(*Rules)
		directive        string
		want, underFresh Reason // with For, with FromHeaders
	}{
		"§3.5 Authorization":                          {request: authorization, want: ReasonAuthorization, underFresh: ReasonAuthorization},
		"§3.5 Authorization, public":                  {request: authorization, directive: "public"},
		"§3.5 Authorization, must-revalidate":         {request: authorization, directive: "must-revalidate"},
		"§3.5 Authorization, s-maxage":                {request: authorization, directive: "s-maxage=60"},
		"§3.5 Authorization, proxy-revalidate":        {request: authorization, directive: "proxy-revalidate", want: ReasonAuthorization, underFresh: ReasonAuthorization},
		"§3.5 Authorization, invalid s-maxage":        {request: authorization, directive: "s-maxage=x", want: ReasonAuthorization, underFresh: ReasonAuthorization},
		"§3.5 Authorization, public with an argument": {request: authorization, directive: "public=x", want: ReasonAuthorization, underFresh: ReasonAuthorization},
		"§3.5 Authorization, Public":                  {request: authorization, change: func(r *Rules) { r.Public = true }},
		"§3.5 Authorization, per user":                {request: authorization, change: func(r *Rules) { r.Private = true }},
		"§3.5 Authorization, cookies keyed":           {request: authorization, change: func(r *Rules) { r.KeyedCookies = true }, want: ReasonAuthorization, underFresh: ReasonAuthorization},
		"Cookie":                                      {request: cookie, want: ReasonCookie},
		"Cookie, public":                              {request: cookie, directive: "public"},
		"Cookie, Public":                              {request: cookie, change: func(r *Rules) { r.Public = true }},
		"Cookie, cookies keyed":                       {request: cookie, change: func(r *Rules) { r.KeyedCookies = true }},
		"certificate":                                 {request: Request{Credentials: ReasonCertificate}, want: ReasonCertificate},
		"certificate, cookies keyed":                  {request: Request{Credentials: ReasonCertificate}, change: func(r *Rules) { r.KeyedCookies = true }, want: ReasonCertificate},
		"identity":                                    {request: Request{Credentials: ReasonIdentity}, want: ReasonIdentity},
		"identity, public":                            {request: Request{Credentials: ReasonIdentity}, directive: "public"},
		"identity, cookies keyed":                     {request: Request{Credentials: ReasonIdentity}, change: func(r *Rules) { r.KeyedCookies = true }, want: ReasonIdentity},
		"no credentials":                              {},
	}
	for name, test := range tests {
		for mode, rules := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				want := test.want
				if rules.FromHeaders {
					want = test.underFresh
				}
				if test.change != nil {
					test.change(&rules)
				}
				terms, reason := store(200, rules, test.request, "Cache-Control: max-age=60", `ETag: "a"`, "Cache-Control: "+test.directive)
				if reason != want {
					t.Errorf("got %q, want %q", reason, want)
				}
				if shareable := test.directive != "" && reason == ""; terms.Shareable != shareable {
					t.Errorf("shareable %v", terms.Shareable)
				}
			})
		}
	}
}

func TestStoreTerms(t *testing.T) {
	const s = time.Second
	response := noon.UnixNano()
	tests := map[string]struct {
		rules  Rules
		fields []string
		want   Terms
	}{
		"For": {
			rules: Rules{TTL: time.Minute}, fields: []string{"Age: 10"},
			want: Terms{Lifetime: time.Minute, Source: Route, ResponseTime: response},
		},
		"§4.2.3 age": {
			rules: Rules{TTL: time.Minute}, fields: []string{"Age: 10", "Cache-Control: max-age=30"},
			want: Terms{Lifetime: 30 * s, InitialAge: 10 * s, ResponseTime: response},
		},
		"§4.2.4 must-revalidate": {
			rules: Rules{FromHeaders: true, Stale: time.Hour}, fields: []string{"Cache-Control: max-age=30, must-revalidate, stale-if-error=9"},
			want: Terms{Lifetime: 30 * s, ResponseTime: response, MustRevalidate: true, Shareable: true},
		},
		"§4.2.4 proxy-revalidate": {
			rules: Rules{FromHeaders: true}, fields: []string{"Cache-Control: max-age=30, proxy-revalidate"},
			want: Terms{Lifetime: 30 * s, ResponseTime: response, MustRevalidate: true},
		},
		"§5.2.2.10 s-maxage": {
			rules: Rules{FromHeaders: true}, fields: []string{"Cache-Control: s-maxage=30, stale-while-revalidate=9"},
			want: Terms{Lifetime: 30 * s, ResponseTime: response, MustRevalidate: true, Shareable: true},
		},
		"§5.2.2.4 no-cache": {
			rules: Rules{FromHeaders: true}, fields: []string{"Cache-Control: max-age=30, no-cache", `ETag: "a"`},
			want: Terms{Lifetime: 30 * s, ResponseTime: response, AlwaysValidate: true, MustRevalidate: true},
		},
		"RFC 5861 windows of the response": {
			rules: Rules{TTL: time.Minute, Stale: time.Hour}, fields: []string{"Cache-Control: stale-while-revalidate=0, stale-if-error=9"},
			want: Terms{Lifetime: time.Minute, Source: Route, ResponseTime: response, IfError: 9 * s},
		},
		"RFC 5861 §4 a window of the route for errors alone": {
			rules: Rules{TTL: time.Minute, StaleIfError: time.Hour},
			want:  Terms{Lifetime: time.Minute, Source: Route, ResponseTime: response, IfError: time.Hour},
		},
		"RFC 5861 windows of the route": {
			rules: Rules{TTL: time.Minute, Stale: time.Hour},
			want:  Terms{Lifetime: time.Minute, Source: Route, ResponseTime: response, WhileRevalidate: time.Hour, IfError: time.Hour},
		},
		"RFC 9213 §2.2 windows of the targeted field": {
			rules: Rules{FromHeaders: true}, fields: []string{"CDN-Cache-Control: max-age=9, stale-if-error=3", "Cache-Control: must-revalidate, public"},
			want: Terms{Lifetime: 9 * s, ResponseTime: response, IfError: 3 * s},
		},
		"per user": {
			rules: Rules{TTL: time.Minute, Private: true},
			want:  Terms{Lifetime: time.Minute, Source: Route, ResponseTime: response, Private: true},
		},
		"StoreCookies, a cookie": {
			rules: Rules{TTL: time.Minute, StoreCookies: true}, fields: []string{"Set-Cookie: a=b"},
			want: Terms{Lifetime: time.Minute, Source: Route, ResponseTime: response, Private: true},
		},
		"StoreCookies, no cookie": {
			rules: Rules{TTL: time.Minute, StoreCookies: true},
			want:  Terms{Lifetime: time.Minute, Source: Route, ResponseTime: response},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, reason := store(200, test.rules, Request{}, test.fields...)
			if reason != "" || got != test.want {
				t.Errorf("got %+v, %q\nwant %+v", got, reason, test.want)
			}
		})
	}
}

func TestStatuses(t *testing.T) {
	heuristic := map[int]bool{
		200: true, 203: true, 204: true, 206: true, 300: true, 301: true, 308: true, 404: true, 405: true, 410: true, 414: true, 501: true,
	}
	never := map[int]bool{206: true, 304: true, 428: true, 429: true, 431: true, 511: true}
	known := []int{
		200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 304, 305, 307, 308,
		400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426,
		500, 501, 502, 503, 504, 505,
	}
	for status := range 1000 {
		if got := HeuristicallyCacheable(status); got != heuristic[status] {
			t.Errorf("RFC 9110 §15.1, %d: %v", status, got)
		}
		if got, want := StorableStatus(status), status >= 200 && status < 600 && !never[status]; got != want {
			t.Errorf("§3, %d: %v", status, got)
		}
		if got := KnownStatus(status); got != slices.Contains(known, status) {
			t.Errorf("§5.2.2.3, %d: %v", status, got)
		}
	}
}

func BenchmarkStore(b *testing.B) {
	res := Response{Status: 200, Header: header("Cache-Control: max-age=60", "Date: "+at(0), `ETag: "a"`), RequestTime: noon, ResponseTime: noon}
	b.ReportAllocs()
	for b.Loop() {
		Store(Request{Method: "GET"}, res, Rules{FromHeaders: true})
	}
}
