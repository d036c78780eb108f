// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bufio"
	"context"
	"fmt"
	"io"
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

func newServer(t *testing.T, d *database, pool int) (*Service, *httptest.Server) {
	t.Helper()
	service := New(Config{
		Database: d.addr, Timeout: timeout, Patience: 20 * time.Second, PoolSize: pool,
	})
	server := httptest.NewServer(service.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { service.db.Close() }) // first: it ends the wait of those that wait for a connection for good
	return service, server
}

func want(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: status %d, want %d", what, got, want)
	}
}

func TestDiedInThePool(t *testing.T) {
	d := newDatabase(t)
	_, server := newServer(t, d, 4)
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
	_, server := newServer(t, d, 1)
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
	_, server := newServer(t, d, 4)
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

// slowClient takes nothing before release is closed.
type slowClient struct {
	asked, release chan struct{}
	got            int
}

func (c *slowClient) Write(p []byte) (int, error) {
	select {
	case <-c.asked:
	default:
		close(c.asked)
	}
	<-c.release
	c.got += len(p)
	return len(p), nil
}

const statementBytes = statementParts * (partBytes / len("4711\n") * len("4711\n"))

// A client that takes its time, and a pool of one connection: does another client wait for the first?
func TestSlowClient(t *testing.T) {
	d := newDatabase(t)
	d.fails(func(conn net.Conn, line, _ string) bool {
		fmt.Fprintln(conn, "VALUE 4711")
		return true
	})
	service, server := newServer(t, d, 1)
	service.cfg.Timeout = time.Second
	if Variant == "fixed" {
		service.cfg.Timeout = 20 * time.Second
	}
	client := &slowClient{asked: make(chan struct{}), release: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- service.statement(context.Background(), client) }()
	select {
	case <-client.asked:
	case err := <-ended:
		t.Fatalf("nothing was written: %v", err)
	}
	status := http.StatusGatewayTimeout
	if Variant == "fixed" {
		status = http.StatusOK
	}
	want(t, "balance beside a slow client", testkit.Status(t, server.URL+"/balance", 10*time.Second), status)
	close(client.release)
	err := <-ended
	if whole := err == nil && client.got == statementBytes; whole != (Variant != "wrongfix") {
		t.Errorf("the slow client got %d of %d bytes, %v", client.got, statementBytes, err)
	}
	want(t, "balance after that", testkit.Status(t, server.URL+"/balance", 10*time.Second), 200)
}

// Half a statement must not look like a whole one.
func TestStatementFailsHalfWay(t *testing.T) {
	d := newDatabase(t)
	service, server := newServer(t, d, 1)
	service.cfg.Timeout = 20 * time.Second
	for _, fail := range []bool{false, true} {
		if fail {
			d.fails(func(conn net.Conn, line, _ string) bool {
				if line == fmt.Sprintf("GET statement:%d", statementParts-1) {
					conn.Close()
					return true
				}
				return false
			})
		}
		resp, err := http.Get(server.URL + "/statement")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if whole := resp.StatusCode == http.StatusOK && err == nil; whole == fail {
			t.Errorf("a statement with status %d, %d bytes and %v; its database fails: %v", resp.StatusCode, len(body), err, fail)
		}
	}
}
