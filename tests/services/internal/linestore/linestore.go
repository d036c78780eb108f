// SPDX-License-Identifier: Apache-2.0

// Package linestore is the client of package backend: a bounded pool of connections, in the shape of database/sql.
//
// As there, each query exists twice: Get knows no context and waits for as long as it takes, GetContext gives up when
// its context does. Everything that can wait heeds that context: for a free connection, dialling, writing, reading.
package linestore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// ErrReply is an answer of the server that is not a value.
var ErrReply = errors.New("linestore: unexpected reply")

// Conn is one connection, for one query at a time.
type Conn struct {
	net.Conn
	in *bufio.Reader
}

// Store is the pool. At most cap(slots) connections are in use or idle at a time.
type Store struct {
	addr  string
	slots chan struct{}
	mu    sync.Mutex
	idle  []*Conn
}

// Open returns a pool of at most size connections to addr; none is made before it is needed, unless Fill is
// called.
func Open(addr string, size int) *Store {
	return &Store{addr: addr, slots: make(chan struct{}, size)}
}

// Fill makes connections until the pool is full or ctx is done; call it before the first query.
func (s *Store) Fill(ctx context.Context) error {
	for n := 0; n < cap(s.slots); n++ {
		c, err := Dial(ctx, s.addr)
		if err != nil {
			return err
		}
		s.put(c)
	}
	return nil
}

// Close closes the idle connections; those in use are closed by their users' contexts.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.idle {
		c.Close()
	}
	s.idle = nil
}

// Get is the value of key, however long it takes.
func (s *Store) Get(key string) (string, error) {
	return s.GetContext(context.Background(), key)
}

// GetContext is the value of key, or an error as soon as ctx is done.
//
// A pooled connection may have died while it was idle (the server restarted): a query that fails on a *reused*
// connection before any byte of an answer is asked once more on another one, which is safe because GET changes nothing.
func (s *Store) GetContext(ctx context.Context, key string) (string, error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return "", fmt.Errorf("linestore: no free connection: %w", ctx.Err())
	}
	defer func() { <-s.slots }()

	for {
		c, reused, err := s.take(ctx)
		if err != nil {
			return "", err
		}
		line, err := c.Ask(ctx, "GET "+key)
		if err == nil {
			s.put(c)
			value, ok := cutPrefix(line, "VALUE ")
			if !ok {
				return "", fmt.Errorf("%w: %q", ErrReply, line)
			}
			return value, nil
		}
		// What is left on this connection is not known: it must never be used again.
		c.Close()
		if !reused || ctx.Err() != nil || isTimeout(err) {
			return "", err
		}
	}
}

// take is the idle connection used last, or a new one.
func (s *Store) take(ctx context.Context) (c *Conn, reused bool, err error) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		c = s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, true, nil
	}
	s.mu.Unlock()
	c, err = Dial(ctx, s.addr)
	return c, false, err
}

func (s *Store) put(c *Conn) {
	s.mu.Lock()
	s.idle = append(s.idle, c)
	s.mu.Unlock()
}

// Dial makes a connection of its own, outside any pool.
func Dial(ctx context.Context, addr string) (*Conn, error) {
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: nc, in: bufio.NewReaderSize(nc, 512)}, nil
}

// Ask sends a query and waits for its answer, both for as long as ctx allows. After an error the connection is of no
// more use: what is left on it is not known.
func (c *Conn) Ask(ctx context.Context, query string) (string, error) {
	deadline, _ := ctx.Deadline() // the zero time is "no deadline" to both sides
	if err := c.SetDeadline(deadline); err != nil {
		return "", err
	}
	release := interruptWhenDone(ctx, c)
	defer release()
	if _, err := c.Write([]byte(query + "\n")); err != nil {
		return "", err
	}
	line, err := c.in.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// interruptWhenDone makes reads and writes of c fail once ctx is done for another reason than its deadline (the client
// hung up). release ends the watching and returns only when it has ended, so that a connection that goes back to the
// pool cannot be interrupted any more.
func interruptWhenDone(ctx context.Context, c net.Conn) (release func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
			c.SetDeadline(time.Unix(1, 0))
		case <-stop:
		}
	}()
	return func() {
		close(stop)
		<-ended
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func cutPrefix(s, prefix string) (string, bool) { // strings.CutPrefix is not in Go 1.19
	if !strings.HasPrefix(s, prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
