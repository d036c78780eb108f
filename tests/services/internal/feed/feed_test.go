// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"bufio"
	"fmt"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

func dial(t *testing.T, server *httptest.Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprint(conn, "GET /feed HTTP/1.1\r\nHost: feed\r\n\r\n")
	return conn, bufio.NewReader(conn)
}

func waitFor(t *testing.T, in *bufio.Reader, want string) {
	t.Helper()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for %q: %v", want, err)
		}
		if strings.Contains(line, want) {
			return
		}
	}
}

func TestHeartbeatAndGoodbye(t *testing.T) {
	const n = 5
	s := New(Config{Heartbeat: time.Millisecond, Patience: time.Second})
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	var conns [n]net.Conn
	for i := range conns {
		var in *bufio.Reader
		conns[i], in = dial(t, server)
		waitFor(t, in, "event: heartbeat")
	}
	if open := s.open.Load(); open != n {
		t.Fatalf("%d streams open, want %d", open, n)
	}
	_, still := dial(t, server)
	for _, c := range conns {
		c.Close()
	}
	if Variant == "defective" {
		// Heartbeats to the one that stayed, long after the writes to the others began to fail.
		for i := 0; i < 100; i++ {
			waitFor(t, still, "event: heartbeat")
		}
		if open := s.open.Load(); open != n+1 {
			t.Errorf("%d streams open, the defect should keep all %d", open, n+1)
		}
		return
	}
	deadline := time.Now().Add(10 * time.Second)
	for s.open.Load() != 1 {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams open, want 1", s.open.Load())
		}
		runtime.Gosched()
	}
	waitFor(t, still, "event: heartbeat")
}
