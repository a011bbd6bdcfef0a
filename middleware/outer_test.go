package middleware

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// dressed is an outer middleware that gives each response fields of its own request.
func dressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", r.Header.Get("X-Who"))
		w.Header().Add("Set-Cookie", "csrf="+r.Header.Get("X-Who"))
		w.Header().Set("Vary", "Origin")
		w.Header().Set("X-Powered-By", "outer")
		next.ServeHTTP(w, r)
	})
}

// TestOuterFieldsOfARunBesideStale: a run that may outlive its request has a header map of its own. What outer middlewares had set
// for its request is no more the handler's there than in any other run.
func TestOuterFieldsOfARunBesideStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{answer: says("hello")}
		h := dressed(newTestCache(t, Options{}).For(time.Second, StaleIfError(time.Hour), Public())(o))
		get(t, h, "/", "X-Who", "eve")
		time.Sleep(2 * time.Second)
		expect(t, get(t, h, "/", "X-Who", "ann"), http.StatusOK, "hello", "X-Cache", "Miss", "X-Request-Id", "ann", "Set-Cookie", "csrf=ann")
		expect(t, get(t, h, "/", "X-Who", "bob"), http.StatusOK, "hello", "X-Cache", "Hit", "X-Request-Id", "bob", "Set-Cookie", "csrf=bob")
		o.ran(t, 2)
	})
}

// TestVaryOfOuterMiddlewares: what an outer middleware's Vary names selects, as the handler may have been given what it made of it, but
// where it changes only what goes out, or the route vouches for it.
func TestVaryOfOuterMiddlewares(t *testing.T) {
	for _, tt := range []struct {
		vary  string
		rules []Rule
		field string
		split bool
	}{
		{"X-Tenant", nil, "X-Tenant", true},
		{"x-other, x-tenant", nil, "X-Tenant", true},
		{"Accept", []Rule{Public()}, "Accept", true},
		{"Origin", nil, "Origin", false},
		{"Accept-Encoding", nil, "Accept-Encoding", false},
		{"Cookie", []Rule{Public()}, "Cookie", false},
		{"Cookie", []Rule{Cookies("theme")}, "Cookie", false},
		{"Authorization", []Rule{Public()}, "Authorization", false},
		{"*", nil, "X-Tenant", true},
	} {
		t.Run(tt.vary+" "+tt.field, func(t *testing.T) {
			cached := newTestCache(t, Options{}).For(time.Minute, tt.rules...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, r.Context().Value(signedIn{}).(string))
			}))
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Add("Vary", tt.vary)
				cached.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), signedIn{}, r.Header.Get(tt.field))))
			})
			want := "ann"
			expect(t, get(t, h, "/", tt.field, "ann"), http.StatusOK, "ann", "Vary", tt.vary)
			if tt.split {
				want = "bob"
			}
			expect(t, get(t, h, "/", tt.field, "bob"), http.StatusOK, want, "Vary", tt.vary)
			expect(t, get(t, h, "/", tt.field, "ann"), http.StatusOK, "ann", "Vary", tt.vary)
		})
	}
}

// TestCookiesOfOuterMiddlewaresArePrivate: beside somebody's cookie our freshness is for that client only.
func TestCookiesOfOuterMiddlewaresArePrivate(t *testing.T) {
	for control, want := range map[string]string{
		"":                          "max-age=60, private",
		"public, no-transform":      "no-transform, max-age=60, private",
		"public, max-age=9, x":      "public, max-age=9, x", // the handler's own word
		"proxy-revalidate, private": "proxy-revalidate, private",
	} {
		h := dressed(newTestCache(t, Options{}).For(time.Minute, Public(), CDN(time.Hour))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if control != "" {
				w.Header().Set("Cache-Control", control)
			}
		})))
		for range 2 {
			expect(t, get(t, h, "/", "X-Who", "ann"), http.StatusOK, "", "Cache-Control", want, "Cdn-Cache-Control", "", "Set-Cookie", "csrf=ann")
		}
	}
}

// TestNoncesOfOuterMiddlewares: a page with the nonce of this response's policy would be dead under the next one's.
func TestNoncesOfOuterMiddlewares(t *testing.T) {
	for name, tt := range map[string]struct {
		field, page string
		stored      bool
	}{
		"in the page":         {"Content-Security-Policy", `<script nonce="a+1">`, false},
		"by html/template":    {"Content-Security-Policy", `<script nonce="a&#43;1">`, false},
		"without quotes":      {"Content-Security-Policy", `<script nonce=c3&#61;&#61;>`, false},
		"reported":            {"Content-Security-Policy-Report-Only", `<script nonce="a+1">`, false},
		"not in the page":     {"Content-Security-Policy", `{"nonce":"a"}`, true},
		"of no policy":        {"X-Policy", `<script nonce="a+1">`, true},
		"none, and no source": {"Content-Security-Policy", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			cached := newTestCache(t, Options{}).For(time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, tt.page)
			}))
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set(tt.field, "default-src 'self'; script-src 'nonce-' 'nonce-b2' 'nonce-c3==' 'nonce-a+1'")
				cached.ServeHTTP(w, r)
			})
			status, then := "larder; fwd=uri-miss; detail=nonce", ""
			if tt.stored {
				status, then = "larder; fwd=uri-miss; stored", "Hit"
			}
			expect(t, get(t, h, "/"), http.StatusOK, tt.page, "Cache-Status", status)
			expect(t, get(t, h, "/"), http.StatusOK, tt.page, "X-Cache", then)
		})
	}
}

// TestNewcomersEndNothing: what is not stored since an outer middleware gives its client a cookie says nothing of what is stored, be
// it asked for in the background or by a HEAD.
func TestNewcomersEndNothing(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		synctest.Test(t, func(t *testing.T) {
			o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Etag", `"of`+r.Header.Get("X-New")+`"`)
				if r.Method != http.MethodHead {
					_, _ = io.WriteString(w, "hello")
				}
			}}
			cached := newTestCache(t, Options{}).For(time.Second, Stale(time.Minute), StaleIfError(time.Hour))(o)
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-New") != "" {
					w.Header().Set("Set-Cookie", "csrf=1")
				}
				cached.ServeHTTP(w, r)
			})
			get(t, h, "/")
			time.Sleep(2 * time.Second)
			r := request(t.Context(), "/", "X-New", "1")
			if r.Method = method; method == http.MethodHead {
				time.Sleep(2 * time.Minute)
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			synctest.Wait()
			o.ran(t, 2)
			o.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
			expect(t, get(t, h, "/"), http.StatusOK, "hello")
		})
	}
}

// lateCoder is a compressor that says so before the handler runs and finds out the type with the first byte, as gorilla/handlers has
// one.
type lateCoder struct{ http.ResponseWriter }

func (w lateCoder) Write(p []byte) (int, error) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", http.DetectContentType(p))
	}
	return w.ResponseWriter.Write(p)
}

// TestTypeBeneathAnOuterCompressor: a handler that names no type has one all the same: what is stored gets ours, and what is not is begun
// by its body, as the handler has begun it.
func TestTypeBeneathAnOuterCompressor(t *testing.T) {
	for name, control := range map[string]string{"stored": "", "not stored": "no-store", "too late": "late"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			cached := newTestCache(t, Options{}).For(time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", control)
				_, _ = io.WriteString(w, "<html>")
				if control == "late" {
					Entry(r).Skip("late")
				}
			}))
			server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", "x-test")
				cached.ServeHTTP(lateCoder{w}, r)
			}))
			for range 2 {
				r, _ := http.NewRequestWithContext(t.Context(), method, server.URL, nil)
				res, err := server.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if got := res.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
					t.Errorf("%s, %s: type %q", name, method, got)
				}
			}
		}
	}
}

// statusNoted is what a logger or a meter outside notes of a response: 0 where neither a header nor a body came by.
type statusNoted struct {
	http.ResponseWriter
	status int
}

func (w *statusNoted) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusNoted) Write(p []byte) (int, error) {
	w.status = max(w.status, http.StatusOK)
	return w.ResponseWriter.Write(p)
}

func (w *statusNoted) Flush() {}

// TestStatusOfAnEmptyWrite: a handler that writes nothing by Write has answered all the same.
func TestStatusOfAnEmptyWrite(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"stored":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(nil) },
		"skipped": func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(nil); Entry(r).Skip("test") },
		"flushed": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(nil); w.(http.Flusher).Flush() },
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			t.Run(name+" "+method, func(t *testing.T) {
				w := &statusNoted{ResponseWriter: httptest.NewRecorder()}
				newTestCache(t, Options{}).For(time.Minute)(answer).ServeHTTP(w, httptest.NewRequest(method, "/", nil))
				if w.status != http.StatusOK {
					t.Errorf("an outer middleware notes %d", w.status)
				}
			})
		}
	}
}
