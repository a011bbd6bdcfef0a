package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
)

// rights is the line that docs/invalidation.md gives for a user with the least privileges; clusterRights is what a client of a
// cluster needs beside it.
const (
	rights = "resetkeys ~larder:* resetchannels -@all +get +set +unlink +del +pttl " +
		"+eval +evalsha +xadd +xtrim +xrange +xrevrange +xread +info"
	clusterRights = " +cluster|slots +command"
)

const (
	user     = "service"
	password = "secret"
)

// withUser makes a server know a user with these rights and no others.
func withUser(rights string) redistest.Option {
	return redistest.Config(append([]string{"user", user, "on", ">" + password}, strings.Fields(rights)...)...)
}

// secured is a server that replicas reach by TLS, with a certificate that is its own authority.
func secured(t *testing.T, opts ...redistest.Option) (*redistest.Server, backend) {
	t.Helper()
	dir := t.TempDir()
	certificate, key := selfSigned(t)
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	server := redistest.Start(t, append(opts, withUser(rights),
		redistest.Config("tls-port", strconv.Itoa(addr.Port)),
		redistest.Config("tls-cert-file", write("redis.crt", certificate)),
		redistest.Config("tls-key-file", write("redis.key", key)),
		redistest.Config("tls-auth-clients", "no"))...)
	return server, backend{Addrs: []string{addr.String()}, User: user, Password: password, Authority: certificate}
}

// selfSigned returns a certificate for the loopback address and its key, in PEM.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
