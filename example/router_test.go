package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larderhq/larder/internal/script"
	larder "github.com/larderhq/larder/middleware"
)

// newService is the service as run makes it, on a database of its own.
func newService(t testing.TB) http.Handler {
	t.Helper()
	users, err := openUsers(filepath.Join(t.TempDir(), "users.db"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := larder.New(larder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
		if err := users.close(); err != nil {
			t.Error(err)
		}
	})
	return newRouter(cache, users)
}

func TestScripts(t *testing.T) {
	script.RunAll(t, "testdata/*.txt", func(t testing.TB, _ http.Handler, _ map[string]string) http.Handler { return newService(t) })
}

func ask(t *testing.T, h http.Handler, method string) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, "/report", nil))
	if rec.Code != http.StatusOK {
		t.Errorf("%s: got status %d, want 200", method, rec.Code)
	}
	return rec
}

func TestReportIsMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, began := newService(t), time.Now()
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() { ask(t, h, http.MethodGet) })
		}
		group.Wait()
		if took := time.Since(began); took != reportTakes {
			t.Errorf("five at once took %v, want %v", took, reportTakes)
		}
		began = time.Now()
		if rec := ask(t, h, http.MethodGet); rec.Header().Get("X-Cache") != "Hit" || rec.Body.Len() == 0 {
			t.Errorf("got %v and %d bytes, want a hit", rec.Header(), rec.Body.Len())
		}
		if rec := ask(t, h, http.MethodHead); rec.Header().Get("X-Cache") != "Hit" || rec.Body.Len() != 0 {
			t.Errorf("HEAD: got %v and %d bytes, want a hit without a body", rec.Header(), rec.Body.Len())
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the hits took %v, want none", took)
		}
	})
}
