package fleet

import (
	"context"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// link is all ways of one replica to Redis, a proxy for each server.
type link []*toxiproxy.Proxy

// newLink returns proxies to the servers, and their addresses by those of the servers.
func newLink(t *testing.T, servers []string) (l link, via map[string]string) {
	t.Helper()
	via = make(map[string]string)
	control := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for _, addr := range servers {
		p := toxiproxy.NewProxy(control, addr, "127.0.0.1:0", addr)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Stop)
		l, via[addr] = append(l, p), p.Listen
	}
	return l, via
}

// cut lets connections be made and stay, but no byte pass: the fault that a client is the slowest to notice.
func (l link) cut(t *testing.T) {
	t.Helper()
	for _, p := range l {
		for _, direction := range []string{"upstream", "downstream"} {
			toxic := `{"type": "timeout", "stream": "` + direction + `", "attributes": {"timeout": 0}}`
			if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// mend lets new connections pass; those that were cut are closed.
func (l link) mend() {
	for _, p := range l {
		p.Toxics.ResetToxics(context.Background())
	}
}
