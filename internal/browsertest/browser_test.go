// Package browsertest shows what a real browser makes of a cached page: it needs Chromium in PATH.
package browsertest

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// names are those under which distributions install Chromium and what is built from it.
var names = []string{"headless_shell", "chromium", "chromium-browser", "google-chrome"}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("none of %v is in PATH: install Chromium (apt-get install chromium)", names)
	return ""
}

// browser is one tab of a running Chromium.
type browser struct{ tab context.Context }

// startBrowser starts a headless Chromium with a new and empty profile; it ends with the test.
func startBrowser(t *testing.T) browser {
	t.Helper()
	options := append(
		chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.NoSandbox, // Its sandbox refuses to run as root, as in containers.
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(2*time.Minute), // It starts slowly beside other tests.
	)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	if err := chromedp.Do(tab); err != nil {
		t.Fatalf("start of Chromium: %v", err)
	}
	return browser{tab}
}

// visit opens url as a link would and returns the response as the browser knows it, and the text that it shows.
func (b browser) visit(t *testing.T, url string) (r *network.Response, text string) {
	t.Helper()
	// From a page to itself would be a reload.
	if err := chromedp.Do(b.tab, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	r, err := chromedp.Run(b.tab, chromedp.NavigateResponse(url))
	if err != nil {
		t.Fatal(err)
	}
	if text, err = chromedp.Run(b.tab, chromedp.Text("body")); err != nil {
		t.Fatal(err)
	}
	return r, text
}
