// SPDX-License-Identifier: Apache-2.0

package orders

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"brownout.example/services/internal/testkit"
)

const timeout = 50 * time.Millisecond

// heldBackend answers no query before release is closed.
type heldBackend struct {
	addr    string
	queries chan struct{} // one value per query received
	release chan struct{}
	once    sync.Once
}

func newHeldBackend(t *testing.T) *heldBackend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &heldBackend{addr: ln.Addr().String(), queries: make(chan struct{}, 1000), release: make(chan struct{})}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for in := bufio.NewScanner(c); in.Scan(); {
					b.queries <- struct{}{}
					<-b.release
					fmt.Fprintln(c, "VALUE 42")
				}
			}()
		}
	}()
	t.Cleanup(func() { ln.Close(); b.answer() })
	return b
}

func (b *heldBackend) answer() { b.once.Do(func() { close(b.release) }) }

func newService(t *testing.T, b *heldBackend, timeout time.Duration) *httptest.Server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	s := New(ctx, Config{Backend: b.addr, Timeout: timeout, PoolSize: 8, Document: 1024})
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return server
}

// inLookup counts goroutines with lookup's inner function on their stack and, if state is not empty, in that state.
func inLookup(state string) (n int) {
	buf := make([]byte, 4<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		head, _, _ := strings.Cut(g, "\n")
		if strings.Contains(g, "(*Service).lookup") && strings.Contains(head, state) {
			n++
		}
	}
	return n
}

func waitInLookup(t *testing.T, state string, want int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for inLookup(state) != want {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines in lookup [%s], want %d", inLookup(state), state, want)
		}
		runtime.Gosched()
	}
}

func get(ctx context.Context, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/checkout", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// A backend that answers long after the timeout: who answers in time, and what stays behind?
func TestLateBackend(t *testing.T) {
	const n = 5
	b := newHeldBackend(t)
	server := newService(t, b, timeout)
	before := inLookup("chan send")
	statuses := make(chan int, n)
	start := time.Now()
	for i := 0; i < n; i++ {
		go func() {
			status, _ := get(context.Background(), server.URL)
			statuses <- status
		}()
	}
	if Variant == "defective" {
		for i := 0; i < n; i++ {
			<-b.queries
		}
		for time.Since(start) < 2*timeout { // late is the very thing under test
			runtime.Gosched()
		}
		if len(statuses) != 0 {
			t.Errorf("%d answers in time, the defect should make them late", len(statuses))
		}
		b.answer()
		for i := 0; i < n; i++ {
			if status := <-statuses; status != http.StatusOK {
				t.Errorf("got %d, the defect should make a late 200", status)
			}
		}
		return
	}
	for i := 0; i < n; i++ {
		if status := <-statuses; status != http.StatusGatewayTimeout {
			t.Errorf("got %d, want 504", status)
		}
	}
	b.answer()
	if Variant == "wrongfix" {
		waitInLookup(t, "chan send", before+n)
	} else {
		waitInLookup(t, "", 0)
	}
}

// The client hangs up while the backend is silent, long before the timeout would end it.
func TestClientGone(t *testing.T) {
	const n = 5
	b := newHeldBackend(t)
	server := newService(t, b, time.Hour)
	before := inLookup("chan send")
	ctx, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	ended := make(chan struct{}, n)
	for i := 0; i < n; i++ {
		go func() {
			get(ctx, server.URL)
			ended <- struct{}{}
		}()
	}
	for i := 0; i < n; i++ {
		<-b.queries
	}
	hangUp()
	for i := 0; i < n; i++ {
		<-ended
	}
	if Variant == "fixed" {
		waitInLookup(t, "", 0) // while the backend still says nothing
		return
	}
	// The handlers must have gone before the answers come, or an answer would still find its receiver.
	waitInLookup(t, "select", 0)
	b.answer()
	waitInLookup(t, "chan send", before+n)
}

func TestDeadBackend(t *testing.T) {
	server := newService(t, &heldBackend{addr: testkit.NobodyListens()}, 10*time.Second)
	if status, err := get(context.Background(), server.URL); status != http.StatusServiceUnavailable {
		t.Errorf("got %d, %v, want 503", status, err)
	}
}
