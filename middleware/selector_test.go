package middleware

import "testing"

// TestPathOfAURLWithoutOne: such a URL is that of the host's root.
func TestPathOfAURLWithoutOne(t *testing.T) {
	for _, url := range []string{"https://Shop.example", "http://shop.example?page=2", "https://shop.example/"} {
		if got, want := Path(url), Path("shop.example/"); got != want {
			t.Errorf("Path(%q) is %v, want %v", url, got, want)
		}
	}
}
