// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
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
