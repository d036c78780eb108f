// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"testing"
)

func TestAnswer(t *testing.T) {
	s := New(Config{MaxKeys: 1})
	for _, c := range []struct{ query, want string }{
		{"PING", "PONG"},
		{"PUT a 1 2", "OK"},
		{"GET a", "VALUE 1 2"},
		{"GET a\r", "VALUE 1 2"},
		{"PUT a 3", "OK"},
		{"GET a", "VALUE 3"},
		{"PUT b 1", "ERROR full"},
		{"PUT a", "ERROR PUT wants a key and a value"},
		{"GET", "ERROR unknown query"},
		{"", "ERROR unknown query"},
	} {
		if got := s.Answer(c.query); got != c.want {
			t.Errorf("%q: got %q, want %q", c.query, got, c.want)
		}
	}
	if a, b := s.Answer("GET x"), New(Config{}).Answer("GET x"); a != b {
		t.Errorf("the value of an unknown key changes with the server: %q, %q", a, b)
	}
}

func TestSets(t *testing.T) {
	s := New(Config{MaxKeys: 3})
	for _, c := range []struct{ query, want string }{
		{"COUNT a", "VALUE 0"},
		{"ADD a 1", "OK"},
		{"ADD a 1", "OK"},
		{"COUNT a", "VALUE 1"},
		{"ADD a", "OK"},
		{"ADD a", "OK"},
		{"COUNT a", "VALUE 3"},
		{"ADD b 1", "ERROR full"},
		{"COUNT b", "VALUE 0"},
		{"ADD", "ERROR unknown query"},
	} {
		if got := s.Answer(c.query); got != c.want {
			t.Errorf("%q: got %q, want %q", c.query, got, c.want)
		}
	}
}

func TestTransaction(t *testing.T) {
	s := New(Config{MaxKeys: 10})
	var tx, other transaction
	for _, c := range []struct {
		tx          *transaction
		query, want string
	}{
		{&tx, "COMMIT", "ERROR unknown query"},
		{&tx, "BEGIN", "OK"},
		{&tx, "BEGIN", "ERROR unknown query"},
		{&tx, "PUT a 1", "OK"},
		{&other, "PUT a 2", "OK"},
		{&other, "GET a", "VALUE 2"},
		{&tx, "ROLLBACK", "OK"},
		{&tx, "GET a", "VALUE 2"},
		{&tx, "BEGIN", "OK"},
		{&tx, "PUT a 3", "OK"},
		{&tx, "PUT b 4", "OK"},
		{&other, "GET a", "VALUE 2"},
		{&tx, "COMMIT", "OK"},
		{&other, "GET a", "VALUE 3"},
		{&other, "GET b", "VALUE 4"},
	} {
		if got := c.tx.answer(s, c.query); got != c.want {
			t.Errorf("%q: got %q, want %q", c.query, got, c.want)
		}
	}
}

func TestServeUntilDone(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- New(Config{MaxKeys: 10}).Serve(ctx, ln) }()

	const n = 50
	var conns [n]net.Conn
	for i := range conns {
		if conns[i], err = net.Dial("tcp", ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		fmt.Fprint(conns[i], "PING\nPING\n")
		in := bufio.NewReader(conns[i])
		for j := 0; j < 2; j++ {
			if line, err := in.ReadString('\n'); line != "PONG\n" {
				t.Fatalf("connection %d: got %q, %v", i, line, err)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	for i := range conns {
		if _, err := conns[i].Read(make([]byte, 1)); err == nil {
			t.Errorf("connection %d is still open", i)
		}
	}
}
