package middleware

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// toxiproxy forgets a goroutine when a link is closed while it has data.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"))
}
