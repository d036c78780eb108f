// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"
)

// Whatever the variant: a stream that ends is opened again, and only what is fresh is served.
func TestFollowsAgain(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conns := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := New(ctx, Config{Source: ln.Addr().String(), Fresh: 10 * time.Second})
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	get := func() int {
		resp, err := http.Get(server.URL + "/latest")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	first := <-conns
	if status := get(); status != http.StatusServiceUnavailable {
		t.Errorf("got %d before anything was heard, want 503", status)
	}
	first.Close()
	second := <-conns
	defer second.Close()
	if _, err := second.Write([]byte("event: heartbeat\ndata: 1\n\n")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); get() != http.StatusOK; {
		if time.Now().After(deadline) {
			t.Fatal("still 503 after an event")
		}
	}
}

func TestWhoNoticesThatThePeerIsGone(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := dial(context.Background(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		on, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
		if want := Variant == "fixed"; err != nil || (on != 0) != want {
			t.Errorf("SO_KEEPALIVE is %d (%v), want %v", on, err, want)
		}
	})
}

// A stream that says one thing and then nothing, and whose other end is well: what becomes of its connection?
func TestSilentStream(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	const silence = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := New(ctx, Config{Source: ln.Addr().String(), Fresh: 10 * time.Second, Silence: silence})
	ln.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	first := accept(t, ln)
	defer first.Close()
	speak(t, first)
	second := accept(t, ln) // it was taken for dead
	defer second.Close()

	// What the service does with what comes on the first connection from now on.
	if Variant == "defective" {
		before := s.last.Load()
		for deadline := time.Now().Add(10 * time.Second); s.last.Load() == before; time.Sleep(time.Millisecond) {
			speak(t, first)
			if time.Now().After(deadline) {
				t.Fatal("the first stream is not followed any more: where is the defect?")
			}
		}
		return
	}
	first.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err = io.Copy(io.Discard, first)
	if errors.Is(err, os.ErrDeadlineExceeded) { // FIN and RST are both an end
		t.Error("the first connection is still open")
	}
}

func accept(t *testing.T, ln net.Listener) net.Conn {
	t.Helper()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func speak(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := conn.Write([]byte("event: heartbeat\ndata: 1\n\n")); err != nil {
		t.Fatal(err)
	}
}

// Ten outages with a good stream after each, then ten tries in vain.
func TestPauses(t *testing.T) {
	pause := firstPause
	for i := 0; i < 10; i++ {
		pause = next(pause, true)
	}
	want := firstPause
	if Variant == "wrongfix" {
		want = 30 * time.Second
	}
	if pause != want {
		t.Errorf("a pause of %v after ten good streams, want %v", pause, want)
	}
	for i := 0; i < 10; i++ {
		pause = next(pause, false)
	}
	want = map[string]time.Duration{"fixed": time.Second, "defective": firstPause, "wrongfix": 30 * time.Second}[Variant]
	if pause != want {
		t.Errorf("a pause of %v after ten tries in vain, want %v", pause, want)
	}
}
