// SPDX-License-Identifier: Apache-2.0

// Package feed holds a stream of server-sent events open for each client and sends it a heartbeat now and then.
//
// Three builds, as in package orders; what differs is when the goroutine behind a connection ends:
//
//	(none)     stream_fixed.go      when the client goes, politely or without a word
//	defective  stream_defective.go  never: one goroutine per connection ever made
//	wrongfix   stream_wrongfix.go   when the client says goodbye; one that vanishes is kept
package feed

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"brownout.example/services/internal/httpd"
)

// Config of the service. Patience is how long a client may leave heartbeats unacknowledged.
type Config struct {
	Heartbeat time.Duration
	Patience  time.Duration
}

// Service counts its streams.
type Service struct {
	cfg  Config
	open atomic.Int64
}

// New returns the service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Handler serves /feed, /streams (how many are open) and the routes of every service.
func (s *Service) Handler() http.Handler {
	mux := httpd.NewMux()
	mux.HandleFunc("/feed", s.feed)
	mux.HandleFunc("/streams", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, s.open.Load()) })
	return mux
}

// feed takes the connection over from net/http, as a websocket does, and hands it to the variant.
func (s *Service) feed(w http.ResponseWriter, r *http.Request) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "no streaming over "+r.Proto, http.StatusHTTPVersionNotSupported)
		return
	}
	conn, buffered, err := hijacker.Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	conn.SetDeadline(time.Time{})
	if err := greet(conn, buffered.Writer); err != nil {
		conn.Close()
		return
	}
	s.open.Add(1)
	s.stream(conn)
}

func greet(conn net.Conn, w *bufio.Writer) error {
	w.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n" +
		"Connection: close\r\n\r\n: welcome\n\n")
	return w.Flush()
}

func beat(conn net.Conn) error {
	_, err := fmt.Fprintf(conn, "event: heartbeat\ndata: %d\n\n", time.Now().UnixMilli())
	return err
}
