package middleware

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/go-chi/chi/v5"
)

type signedIn struct{}

// signIn is an outer middleware that tells the handler by the context who asks.
func signIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), signedIn{}, r.Header.Get("Authorization")+r.Header.Get("Cookie"))))
	})
}

// TestRefreshKnowsItsUserByTheContext: a refresh is without the credentials of the request that set it off, but not without what
// outer middlewares made of them. What it gets is stored for everybody only if it says that it may.
func TestRefreshKnowsItsUserByTheContext(t *testing.T) {
	for _, field := range []string{"Authorization", "Cookie"} {
		t.Run(field, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
					if user := r.Context().Value(signedIn{}).(string); user != "" {
						_, _ = io.WriteString(w, "page of "+user)
						return
					}
					w.Header().Set("Cache-Control", "public")
					_, _ = io.WriteString(w, "page of nobody")
				}}
				h := signIn(newTestCache(t, Options{}).For(time.Second, Stale(time.Minute))(o))
				get(t, h, "/")
				time.Sleep(2 * time.Second)
				expect(t, get(t, h, "/", field, "ann"), http.StatusOK, "page of nobody", "X-Cache", "Hit")
				synctest.Wait()
				o.ran(t, 2)
				expect(t, get(t, h, "/"), http.StatusOK, "page of nobody", "X-Cache", "Hit")
			})
		})
	}
}

// TestRefreshOfAVariant: a response that varies by credentials is refreshed with them, or the variant of one user would become what
// nobody gets.
func TestRefreshOfAVariant(t *testing.T) {
	for _, field := range []string{"Authorization", "Cookie"} {
		t.Run(field, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{answer: func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Cache-Control", "public, max-age=1, stale-while-revalidate=60")
					w.Header().Set("Vary", field)
					_, _ = io.WriteString(w, "page of "+r.Header.Get(field))
				}}
				h := newTestCache(t, Options{}).FromHeaders()(o)
				get(t, h, "/", field, "ann")
				time.Sleep(2 * time.Second)
				get(t, h, "/", field, "ann")
				synctest.Wait()
				o.ran(t, 2)
				expect(t, get(t, h, "/", field, "ann"), http.StatusOK, "page of ann", "Cache-Status", "hit; ttl=1")
			})
		})
	}
}

// TestRefreshBehindOuterFields: what a refresh stores adds to the fields of outer middlewares, or deletes them, as what a fill does.
func TestRefreshBehindOuterFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := dressed(newTestCache(t, Options{}).For(time.Second, Stale(time.Minute), Public())(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Vary", "Accept")
			w.Header().Del("X-Powered-By")
			_, _ = io.WriteString(w, "hello")
		})))
		for _, who := range []string{"ann", "bob", "eve"} {
			expect(t, get(t, h, "/", "X-Who", who), http.StatusOK, "hello", "Vary", "Origin, Accept", "X-Powered-By", "",
				"X-Request-Id", who, "Set-Cookie", "csrf="+who)
			synctest.Wait()
			time.Sleep(2 * time.Second)
		}
	})
}

// TestRefreshOwnsItsRequest: servers that are not net/http's, fasthttp behind its adaptor say, write the next request over the texts of
// one that has been answered. A run that goes on in the background must not answer that one, for the first one's key.
func TestRefreshOwnsItsRequest(t *testing.T) {
	for name, rule := range map[string]Rule{"refresh": Stale(time.Hour), "beside stale": StaleIfError(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				page := func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("X-Slow") != "" {
						time.Sleep(time.Second)
					}
					texts := r.URL.Path + r.URL.RawQuery + r.RequestURI + r.Host + r.PathValue("id") + chi.URLParam(r, "id") + r.Header.Get("X-Who") + r.Form.Encode()
					_, _ = io.WriteString(w, texts)
				}
				router := chi.NewRouter()
				router.With(newTestCache(t, Options{}).For(time.Minute, rule)).Get("/{id}", page)
				ask := func(ctx context.Context, fields ...string) *httptest.ResponseRecorder {
					lent := []byte("/aanna.example")
					text := unsafe.String(&lent[0], len(lent))
					r := request(ctx, "/", append(fields, "X-Who", text[2:5])...)
					r.RequestURI, r.URL.Path, r.URL.RawQuery, r.Host = text[:2], text[:2], text[1:2], text[2:]
					if err := r.ParseForm(); err != nil { // as an outer middleware may
						t.Error(err)
					}
					w := httptest.NewRecorder()
					router.ServeHTTP(w, r)
					copy(lent, "/bbob.example")
					return w
				}
				want := ask(t.Context()).Body.String()
				time.Sleep(2 * time.Minute)
				impatient, cancel := context.WithTimeout(t.Context(), time.Second/2)
				defer cancel()
				ask(impatient, "X-Slow", "1")
				time.Sleep(2 * time.Second)
				expect(t, ask(t.Context()), http.StatusOK, want, "X-Cache", "Hit")
			})
		})
	}
}
