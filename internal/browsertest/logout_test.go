package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	larder "github.com/larderhq/larder/middleware"
)

const session = "session"

func user(r *http.Request) string {
	cookie, err := r.Cookie(session)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// startAccounts serves one page per user; /as/{user} logs in, and out where the name is a dash.
func startAccounts(t *testing.T) (url string) {
	t.Helper()
	cache, err := larder.New(larder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close() })
	mux := http.NewServeMux()
	mux.Handle("GET /me", cache.For(larder.OneHour, larder.PerUser(user))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "page of %q", user(r))
	})))
	mux.HandleFunc("GET /as/{user}", func(w http.ResponseWriter, r *http.Request) {
		cookie := &http.Cookie{Name: session, Value: r.PathValue("user"), Path: "/", HttpOnly: true}
		if cookie.Value == "-" {
			cookie.MaxAge = -1
		}
		http.SetCookie(w, cookie)
		_, _ = fmt.Fprint(w, "done")
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// TestBrowserForgetsTheUserWhoLeft: nobody is shown what the browser has kept of the user before him; his own page it does keep.
func TestBrowserForgetsTheUserWhoLeft(t *testing.T) {
	t.Parallel()
	browser, url := startBrowser(t), startAccounts(t)
	for _, name := range []string{"ann", "-", "bob", "ann"} {
		browser.visit(t, url+"/as/"+name)
		want := fmt.Sprintf("page of %q", map[bool]string{true: name}[name != "-"])
		r, shown := browser.visit(t, url+"/me")
		if shown != want || r.FromDiskCache {
			t.Errorf("%s is shown %s, from the browser's own cache: %v", name, shown, r.FromDiskCache)
		}
		if again, shown := browser.visit(t, url+"/me"); shown != want || name != "-" && !again.FromDiskCache {
			t.Errorf("the second time %s is shown %s, from the browser's own cache: %v", name, shown, again.FromDiskCache)
		}
	}
}
