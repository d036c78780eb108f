// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"brownout.example/services/internal/backend"
	"brownout.example/services/internal/testkit"
)

// timeout is what a wait costs that is meant to end in it, and far more than a busy machine adds to the others.
const timeout = time.Second

// database is a backend whose connections can be made to fail.
type database struct {
	*backend.Server
	addr string
	mu   sync.Mutex
	fail func(conn net.Conn, line string, answer string) (handled bool)
	open []net.Conn
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &database{Server: backend.New(backend.Config{MaxKeys: 100}), addr: ln.Addr().String()}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.open = append(d.open, conn)
			d.mu.Unlock()
			go d.converse(conn)
		}
	}()
	return d
}

func (d *database) converse(conn net.Conn) {
	defer conn.Close()
	for in := bufio.NewScanner(conn); in.Scan(); {
		line, answer := in.Text(), "OK"
		if verb, _, _ := strings.Cut(line, " "); verb != "BEGIN" && verb != "COMMIT" && verb != "ROLLBACK" {
			answer = d.Answer(line)
		}
		d.mu.Lock()
		handled := d.fail != nil && d.fail(conn, line, answer)
		d.mu.Unlock()
		if !handled {
			fmt.Fprintln(conn, answer)
		}
	}
}

func (d *database) fails(how func(conn net.Conn, line string, answer string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = how
}

func newServer(t *testing.T, d *database, pool int) *httptest.Server {
	t.Helper()
	service := New(Config{
		Database: d.addr, Timeout: timeout, Patience: 20 * time.Second, PoolSize: pool,
	})
	server := httptest.NewServer(service.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { service.db.Close() }) // first: it ends the wait of those that wait for a connection for good
	return server
}

func want(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: status %d, want %d", what, got, want)
	}
}

func TestDiedInThePool(t *testing.T) {
	d := newDatabase(t)
	server := newServer(t, d, 4)
	want(t, "balance", testkit.Status(t, server.URL+"/balance", 10*time.Second), 200)
	d.mu.Lock()
	for _, conn := range d.open {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	d.mu.Unlock()
	status := http.StatusServiceUnavailable
	if Variant == "fixed" {
		status = http.StatusOK
	}
	want(t, "balance on a connection that died", testkit.Status(t, server.URL+"/balance", 10*time.Second), status)
	want(t, "balance after that", testkit.Status(t, server.URL+"/balance", 10*time.Second), 200)
}

func TestSecondStatementFails(t *testing.T) {
	d := newDatabase(t)
	server := newServer(t, d, 1)
	want(t, "transfer", testkit.Status(t, server.URL+"/transfer", 10*time.Second), 200)
	d.fails(func(conn net.Conn, line, _ string) bool {
		if !strings.HasPrefix(line, "PUT to") {
			return false
		}
		conn.Close()
		return true
	})
	want(t, "transfer that fails", testkit.Status(t, server.URL+"/transfer", 10*time.Second), 503)
	d.fails(nil)
	after := map[string]int{"fixed": 200, "wrongfix": 504, "defective": 0}[Variant]
	patience := 10 * time.Second
	if Variant == "defective" {
		patience = 3 * timeout // it never answers: three times its timeout is enough to see
	}
	want(t, "transfer after it", testkit.Status(t, server.URL+"/transfer", patience), after)
}

func TestLostAnswer(t *testing.T) {
	d := newDatabase(t)
	server := newServer(t, d, 4)
	lost := 0
	d.fails(func(_ net.Conn, line, _ string) bool {
		if !strings.HasPrefix(line, "ADD") || lost == 2 {
			return false
		}
		lost++
		return true // it was done, and nobody hears of it
	})
	want(t, "pay", testkit.Status(t, server.URL+"/pay", 20*time.Second), 200)
	status := http.StatusInternalServerError
	if Variant == "fixed" {
		status = http.StatusOK
	}
	want(t, "audit", testkit.Status(t, server.URL+"/audit", 10*time.Second), status)
}
