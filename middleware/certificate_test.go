package middleware

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestClientCertificates: who shows a certificate is somebody, as who sends credentials is.
func TestClientCertificates(t *testing.T) {
	who := func(r *http.Request) string { return string(r.TLS.PeerCertificates[0].Raw) }
	for _, tt := range []struct {
		name   string
		rules  []Rule
		page   string
		status string
		hit    bool
	}{
		{"plain", nil, "page of ", "larder; fwd=bypass; detail=client-certificate", false},
		{"Cookies do not cover them", []Rule{Cookies()}, "page of ", "larder; fwd=bypass; detail=client-certificate", false},
		{"PerUser", []Rule{PerUser(who)}, "page of ", "", true},
		{"Public", []Rule{Public()}, "page", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newTestCache(t, Options{}).For(time.Hour, tt.rules...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				page := tt.page
				if page != "page" {
					page += who(r)
				}
				_, _ = io.WriteString(w, page)
			}))
			ask := func(user string) *httptest.ResponseRecorder {
				r, w := request(t.Context(), "/"), httptest.NewRecorder()
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte(user)}}}
				h.ServeHTTP(w, r)
				return w
			}
			ask("ann")
			for range 2 {
				want := tt.page
				if want != "page" {
					want += "bob"
				}
				expect(t, ask("bob"), http.StatusOK, want)
			}
			if w := ask("bob"); w.Header().Get("X-Cache") == "Hit" != tt.hit || tt.status != "" && w.Header().Get("Cache-Status") != tt.status {
				t.Errorf("got %v", w.Header())
			}
		})
	}
}
