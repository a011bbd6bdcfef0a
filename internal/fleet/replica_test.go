package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
)

// host is the name that the clients of the service know, so that every replica has the same keys.
const host = "shop.example"

// replica is one place in the fleet: a listener that stays, the proxies to Redis, and the process that serves now.
type replica struct {
	t        *testing.T
	settings string
	listener *os.File
	url      string
	link     link

	gate    sync.RWMutex // held for reading during requests: a replica is taken out of service before it is killed
	process *process     // guarded by gate
}

// process is one life of a replica.
type process struct {
	url    string
	client *http.Client
	cmd    *exec.Cmd
	stdin  io.Closer
	output bytes.Buffer // to be read after ended
	ended  <-chan struct{}
}

func newReplica(t *testing.T, s settings, servers []string) *replica {
	t.Helper()
	r := &replica{t: t}
	r.link, s.Via = newLink(t, servers)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	r.settings = string(text)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // the file is a duplicate
	if r.listener, err = l.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	r.url = "http://" + l.Addr().String()
	r.start()
	t.Cleanup(func() {
		r.stop()
		_ = r.listener.Close() // nobody listens any more
	})
	return r
}

// start needs the gate, or a replica that nobody knows yet. Requests wait in the listener until the process accepts.
func (r *replica) start() {
	r.t.Helper()
	program, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	p := &process{url: r.url, cmd: exec.Command(program)}
	p.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	p.cmd.Env = append(os.Environ(), replicaEnv+"="+r.settings)
	p.cmd.ExtraFiles = []*os.File{r.listener}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		r.t.Fatal(err)
	}
	if p.ended, err = redistest.Spawn(p.cmd); err != nil {
		r.t.Fatal(err)
	}
	r.process = p
}

// use runs f with the process that serves now and keeps it alive as long.
func (r *replica) use(f func(*process)) {
	r.gate.RLock()
	defer r.gate.RUnlock()
	f(r.process)
}

// kill needs the gate. It ends the process without a chance to say a last word.
func (r *replica) kill() {
	_ = r.process.cmd.Process.Kill() // then it has ended by itself, which stop would have shown
	<-r.process.ended
	r.process.client.CloseIdleConnections()
}

// stop ends the process in good order. A data race in it shows in its status.
func (r *replica) stop() {
	p := r.process
	_ = p.stdin.Close() // it may have crashed
	<-p.ended
	p.client.CloseIdleConnections()
	if !p.cmd.ProcessState.Success() {
		r.t.Errorf("a replica ended with %v", p.cmd.ProcessState)
	}
	if r.t.Failed() {
		text := p.output.Bytes()
		r.t.Logf("%s said:\n%s", r.url, text[max(0, len(text)-4000):])
	}
}

// get returns the version that a path answers with and what X-Cache says.
func (p *process) get(path string) (version int, cache string, err error) {
	resp, body, err := p.do(http.MethodGet, path)
	if err != nil {
		return 0, "", err
	}
	if version, err = strconv.Atoi(body); err != nil || resp.StatusCode != http.StatusOK {
		return 0, "", fmt.Errorf("GET %s: %s: %s", path, resp.Status, body)
	}
	return version, resp.Header.Get("X-Cache"), nil
}

// purge invalidates what a selector covers. The error is that of Invalidate; where the request itself fails, fatal.
func (p *process) purge(by, value string) (refused, fatal error) {
	resp, body, err := p.do(http.MethodPost, "/purge?"+url.Values{"by": {by}, "value": {value}}.Encode())
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, body), nil
	}
	return nil, nil
}

func (p *process) do(method, path string) (*http.Response, string, error) {
	req, err := http.NewRequest(method, p.url+path, nil)
	if err != nil {
		return nil, "", err
	}
	req.Host = host
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}
