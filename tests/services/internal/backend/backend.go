// SPDX-License-Identifier: Apache-2.0

// Package backend is a database-like server over TCP with a line protocol:
//
//	GET key\n          VALUE value\n
//	PUT key value\n    OK\n
//	ADD key [id]\n     OK\n            one more element of a set, unless it has that id already
//	COUNT key\n        VALUE n\n       the elements of the set
//	BEGIN\n            OK\n            what is put from here on happens at COMMIT, or not at all
//	COMMIT\n           OK\n
//	ROLLBACK\n         OK\n
//	PING\n             PONG\n
//	anything else      ERROR text\n
//
// A connection carries any number of queries, one after the other, as a connection to a database does. Keys are kept
// in a bounded map; a key that was never put has a value that is computed from it, so a fresh server answers too.
package backend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config of a Server. ServiceTime is how long each query takes, whatever else goes on. MaxKeys bounds the map: a PUT
// of one more key, or an ADD of one more element, is refused.
type Config struct {
	ServiceTime time.Duration
	MaxKeys     int
}

// A longer line closes the connection: nobody may fill the memory of a database with one query.
const maxLine = 64 << 10

// Server holds the keys and the open connections.
type Server struct {
	cfg   Config
	mu    sync.Mutex
	keys  map[string]string
	sets  map[string]map[string]struct{}
	added int // elements of all sets
	conns map[net.Conn]struct{}
	ended bool
}

// New returns a server that serves nothing yet.
func New(cfg Config) *Server {
	return &Server{cfg: cfg, keys: map[string]string{}, sets: map[string]map[string]struct{}{}, conns: map[net.Conn]struct{}{}}
}

// Serve accepts connections until ctx is done, then closes the listener and every connection and returns nil.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	stop, closed := make(chan struct{}), make(chan struct{})
	defer func() {
		close(stop)
		<-closed
	}()
	go func() {
		defer close(closed)
		select {
		case <-ctx.Done():
		case <-stop:
		}
		ln.Close()
		s.closeAll()
	}()
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			var temporary net.Error
			if errors.As(err, &temporary) && temporary.Timeout() {
				continue
			}
			return err
		}
		if !s.track(conn) {
			conn.Close()
			continue
		}
		go s.converse(conn)
	}
}

func (s *Server) track(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.conns[conn] = struct{}{}
	return true
}

func (s *Server) untrack(conn net.Conn) {
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	conn.Close()
}

func (s *Server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for conn := range s.conns {
		conn.Close()
	}
}

func (s *Server) converse(conn net.Conn) {
	defer s.untrack(conn)
	in := bufio.NewScanner(conn)
	in.Buffer(make([]byte, 0, 512), maxLine)
	var tx transaction
	for in.Scan() {
		if s.cfg.ServiceTime > 0 {
			time.Sleep(s.cfg.ServiceTime)
		}
		if _, err := fmt.Fprintf(conn, "%s\n", tx.answer(s, in.Text())); err != nil {
			return
		}
	}
}

// transaction is what a connection has put and not committed; it goes with the connection.
type transaction struct {
	open bool
	puts []string
}

// At most so many statements of a transaction wait for its COMMIT.
const maxPuts = 100

func (tx *transaction) answer(s *Server, line string) string {
	line = strings.TrimRight(line, "\r")
	switch {
	case line == "BEGIN" && !tx.open:
		tx.open = true
		return "OK"
	case line == "ROLLBACK" && tx.open:
		*tx = transaction{}
		return "OK"
	case line == "COMMIT" && tx.open:
		puts := tx.puts
		*tx = transaction{}
		for _, put := range puts {
			if answer := s.Answer(put); answer != "OK" {
				return answer
			}
		}
		return "OK"
	case tx.open && strings.HasPrefix(line, "PUT ") && len(tx.puts) < maxPuts:
		tx.puts = append(tx.puts, line)
		return "OK"
	default:
		return s.Answer(line)
	}
}

// Answer is the reply to one line outside a transaction, without the newline.
func (s *Server) Answer(line string) string {
	verb, rest, _ := strings.Cut(strings.TrimRight(line, "\r"), " ")
	switch {
	case verb == "GET" && rest != "":
		return "VALUE " + s.get(rest)
	case verb == "PUT":
		key, value, ok := strings.Cut(rest, " ")
		if !ok || key == "" {
			return "ERROR PUT wants a key and a value"
		}
		if !s.put(key, value) {
			return "ERROR full"
		}
		return "OK"
	case verb == "ADD" && rest != "":
		key, id, _ := strings.Cut(rest, " ")
		if !s.add(key, id) {
			return "ERROR full"
		}
		return "OK"
	case verb == "COUNT" && rest != "":
		return "VALUE " + strconv.Itoa(s.count(rest))
	case verb == "PING":
		return "PONG"
	default:
		return "ERROR unknown query"
	}
}

func (s *Server) get(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, ok := s.keys[key]; ok {
		return value
	}
	sum := fnv.New32a()
	sum.Write([]byte(key))
	return fmt.Sprint(sum.Sum32() % 10000)
}

func (s *Server) put(key, value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.keys[key]; !known && len(s.keys) >= s.cfg.MaxKeys {
		return false
	}
	s.keys[key] = value
	return true
}

// add puts id into the set of key; without an id it is one that nobody has.
func (s *Server) add(key, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "" {
		id = "#" + strconv.Itoa(s.added)
	}
	set := s.sets[key]
	if _, known := set[id]; known {
		return true
	}
	if s.added >= s.cfg.MaxKeys {
		return false
	}
	if set == nil {
		set = map[string]struct{}{}
		s.sets[key] = set
	}
	set[id] = struct{}{}
	s.added++
	return true
}

func (s *Server) count(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sets[key])
}
