// SPDX-License-Identifier: Apache-2.0

package fares

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"brownout.example/services/internal/testkit"
)

const timeout = 300 * time.Millisecond

// database answers until it is silent, and counts what it is asked.
type database struct {
	addr         string
	conns, asked atomic.Int32
	silent       atomic.Bool
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	d := &database{addr: ln.Addr().String()}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			d.conns.Add(1)
			go func() {
				defer conn.Close()
				for in := bufio.NewScanner(conn); in.Scan(); {
					d.asked.Add(1)
					if !d.silent.Load() {
						fmt.Fprintln(conn, "VALUE 42")
					}
				}
			}()
		}
	}()
	return d
}

func newService(t *testing.T, d *database) (*Service, *httptest.Server) {
	t.Helper()
	s, err := New(context.Background(), Config{Database: d.addr, Timeout: timeout, PoolSize: 4})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(s.store.Close)
	return s, server
}

// What was learned is far beyond the timeout of the request, and the database falls silent.
func TestLearnedTooMuch(t *testing.T) {
	d := newDatabase(t)
	s, server := newService(t, d)
	if status := testkit.Status(t, server.URL+"/fare", 10*time.Second); status != http.StatusOK {
		t.Fatalf("status %d of a database that is well", status)
	}
	if got := s.patience.now(); got > time.Minute {
		t.Errorf("patience is %v after one answer", got)
	}
	for i := 0; i < 100; i++ {
		s.patience.learn(time.Minute)
	}
	d.silent.Store(true)
	d.asked.Store(0)
	patience, status := 20*time.Second, http.StatusGatewayTimeout
	if Variant == "defective" {
		patience, status = 4*timeout, 0 // it never answers: four times its timeout is enough to see
	}
	start := time.Now()
	if got := testkit.Status(t, server.URL+"/fare", patience); got != status {
		t.Errorf("status %d of a silent database, want %d", got, status)
	}
	if n := d.asked.Load(); n > 1 && Variant == "fixed" {
		t.Errorf("the database was asked %d times, and one took all the time there was", n)
	}
	if took := time.Since(start); took < 2*timeout && Variant == "wrongfix" {
		t.Errorf("504 after %v: where is the second try?", took)
	}
}

// All at once and from the start: whatever the variant, it is given up soon and nothing is learned.
func TestSilentAtOnce(t *testing.T) {
	d := newDatabase(t)
	s, server := newService(t, d)
	d.silent.Store(true)
	if status := testkit.Status(t, server.URL+"/fare", 20*time.Second); status != http.StatusGatewayTimeout {
		t.Errorf("status %d of a silent database, want 504", status)
	}
	if got := s.patience.now(); got != leastPatience {
		t.Errorf("patience is %v after nothing was heard, want %v", got, leastPatience)
	}
}

func TestPatience(t *testing.T) {
	var p patience
	if p.now() != leastPatience {
		t.Errorf("patience is %v at the start, want %v", p.now(), leastPatience)
	}
	took := time.Millisecond
	for i := 0; i < 100; i++ {
		took += 10 * time.Millisecond
		p.learn(took)
	}
	// An exponential mean with a weight of 1/4 is three steps behind a ramp.
	if want := 4 * (took - 30*time.Millisecond); p.now() < want-time.Millisecond || p.now() > want+time.Millisecond {
		t.Errorf("patience is %v at the end of a ramp to %v, want %v", p.now(), took, want)
	}
}

func TestPoolIsFullAtTheStart(t *testing.T) {
	d := newDatabase(t)
	newService(t, d)
	for deadline := time.Now().Add(10 * time.Second); d.conns.Load() < 4; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections before the first request, want 4", d.conns.Load())
		}
	}
}

func TestNoDatabase(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close() // nobody listens there now
	if _, err := New(context.Background(), Config{Database: ln.Addr().String(), Timeout: timeout, PoolSize: 1}); err == nil {
		t.Error("a service without a database started")
	}
}
