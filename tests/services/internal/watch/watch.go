// SPDX-License-Identifier: Apache-2.0

// Package watch follows a stream of package feed and answers with what it heard last, as a cache that is invalidated by
// notifications does. Its connection only reads, so nothing that it does tells it that the other end is gone.
//
// Three builds, as in package orders; what differs is who notices that:
//
//	(none)     conn_fixed.go      the kernel, with keepalive probes
//	defective  conn_defective.go  nobody
//	wrongfix   conn_wrongfix.go   nobody: dialling and writing have a timeout, the read that waits for ever has none
package watch

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"brownout.example/services/internal/httpd"
)

// Config of the service. What is older than Fresh is not served.
type Config struct {
	Source string // host:port of the feed
	Fresh  time.Duration
}

// Service knows when it heard something last.
type Service struct {
	cfg  Config
	last atomic.Int64 // Unix time in ms
}

// New returns the service; ctx ends what runs in its background.
func New(ctx context.Context, cfg Config) *Service {
	s := &Service{cfg: cfg}
	go func() {
		for ctx.Err() == nil {
			s.follow(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return s
}

// Handler serves /latest and the routes of every service.
func (s *Service) Handler() http.Handler {
	mux := httpd.NewMux()
	mux.HandleFunc("/latest", s.latest)
	return mux
}

// latest answers 200 while the stream is fresh, else 503.
func (s *Service) latest(w http.ResponseWriter, r *http.Request) {
	age := time.Since(time.UnixMilli(s.last.Load()))
	if age > s.cfg.Fresh {
		http.Error(w, fmt.Sprintf("heard nothing for %v", age.Round(time.Millisecond)), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "as of %v ago\n", age.Round(time.Millisecond))
}

// follow is one connection to the feed, for as long as it lasts.
func (s *Service) follow(ctx context.Context) error {
	conn, err := dial(ctx, s.cfg.Source)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ask(conn); err != nil {
		return err
	}
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "event: ") {
			s.last.Store(time.Now().UnixMilli())
		}
	}
}

func ask(conn net.Conn) error {
	_, err := fmt.Fprint(conn, "GET /feed HTTP/1.1\r\nHost: feed\r\n\r\n")
	return err
}
