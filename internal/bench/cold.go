package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// crowd is how many ask for the same cold page at once.
const crowd = 200

// host is the one that all requests name, as load.lua does.
const host = "shop.example"

// coldRound asks for a page that nobody has, from a crowd of clients at once, and returns how long the last of them waited, in
// milliseconds, and how many runs of the handler it took.
func coldRound(ctx context.Context, addr string, n int) (slowest, runs float64, err error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: crowd}}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/connect/", "/cold/"} { // the connections are there when it counts
		if slowest, runs, err = rush(ctx, client, "http://"+addr+path+strconv.Itoa(n)); err != nil {
			return 0, 0, err
		}
	}
	return slowest, runs, nil
}

func rush(ctx context.Context, client *http.Client, url string) (slowest, runs float64, err error) {
	var (
		mu     sync.Mutex
		bodies = map[string]bool{}
		start  = make(chan struct{})
		all    sync.WaitGroup
	)
	for range crowd {
		all.Go(func() {
			<-start
			began := time.Now()
			body, failed := read(ctx, client, url)
			waited := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			bodies[body] = true
			slowest = max(slowest, waited.Seconds()*1e3)
			if failed != nil {
				err = failed
			}
		})
	}
	close(start)
	all.Wait()
	return slowest, float64(len(bodies)), err
}

func read(ctx context.Context, client *http.Client, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	r.Host = host
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return string(body), err
}
