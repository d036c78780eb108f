// SPDX-License-Identifier: Apache-2.0

package linestore

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"brownout.example/services/internal/testkit"
)

// silent accepts connections, swallows what it is sent, never answers, and reports each accepted connection.
func silent(t *testing.T) (addr string, accepted <-chan net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ch := make(chan net.Conn, 100)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, c)
			ch <- c
		}
	}()
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String(), ch
}

func TestReadHeedsDeadline(t *testing.T) {
	addr, accepted := silent(t)
	s := Open(addr, 1)
	defer s.Close()
	// Not before it was dialled, which is another test's.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := s.GetContext(ctx, "k"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v, want a deadline exceeded", err)
	}
	if c := <-accepted; c == nil {
		t.Fatal("never dialled")
	}
	if len(s.idle) != 0 {
		t.Error("a connection with an unanswered query went back to the pool")
	}
}

func TestReadHeedsCancel(t *testing.T) {
	addr, accepted := silent(t)
	s := Open(addr, 1)
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := s.GetContext(ctx, "k")
		failed <- err
	}()
	<-accepted
	cancel()
	if err := <-failed; err == nil {
		t.Fatal("no error although its context was cancelled")
	}
}

func TestWaitForConnectionHeedsDeadline(t *testing.T) {
	addr, accepted := silent(t)
	s := Open(addr, 1)
	defer s.Close()
	first, cancelFirst := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := s.GetContext(first, "k")
		failed <- err
	}()
	<-accepted // the only connection is in use
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.GetContext(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a deadline exceeded", err)
	}
	cancelFirst()
	<-failed
}

func TestRestartedServer(t *testing.T) {
	addr, stop := testkit.Backend(t, testkit.Address(0))
	s := Open(addr, 4)
	defer s.Close()
	before, err := s.Get("k")
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err := s.Get("k"); err == nil {
		t.Fatal("an answer from a server that is gone")
	}
	if before, err = s.Get("k"); err == nil {
		t.Fatalf("%q from a server that is gone", before)
	}
	// An idle connection that died, and then the server is back: one Get must do.
	addr2, stop2 := testkit.Backend(t, addr)
	if _, err := s.Get("k"); err != nil {
		t.Fatal(err)
	}
	stop2()
	_, stop3 := testkit.Backend(t, addr2)
	defer stop3()
	if _, err := s.Get("k"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}
