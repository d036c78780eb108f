// SPDX-License-Identifier: Apache-2.0

// Package watch follows a stream of package feed and answers with what it heard last, as a cache that is invalidated by
// notifications does. Its connection only reads, so nothing that it does tells it that the other end is gone.
//
// Three builds, as in package orders. Each of them gets two things right or wrong, and a scenario looks at one:
//
//	                          (none): conn_fixed.go   defective                 wrongfix
//	the peer is gone          keepalive finds out     nobody does               nobody; only writes have a timeout
//	the stream is silent      closed, opened again    opened again beside it    closed, opened again later each time
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

// Config of the service. What is older than Fresh is not served. A stream in which nothing was heard for Silence is taken for
// dead; 0 leaves that to the connection.
type Config struct {
	Source  string // host:port of the feed
	Fresh   time.Duration
	Silence time.Duration
}

// From the end of a stream to the first try to open it again.
const firstPause = 50 * time.Millisecond

// Service knows when it heard something last.
type Service struct {
	cfg  Config
	last atomic.Int64 // Unix time in ms
}

// New returns the service; ctx ends what runs in its background.
func New(ctx context.Context, cfg Config) *Service {
	s := &Service{cfg: cfg}
	go func() {
		for pause := firstPause; ctx.Err() == nil; {
			heard := s.attempt(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			pause = next(pause, heard)
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

// follow is one connection to the feed, for as long as it lasts, or until it was silent for so long (0: however long);
// heard is called for each event.
func (s *Service) follow(ctx context.Context, silence time.Duration, heard func()) error {
	conn, err := s.open(ctx, silence)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ask(conn); err != nil {
		return err
	}
	for in := bufio.NewReader(conn); ; {
		if silence > 0 {
			conn.SetReadDeadline(time.Now().Add(silence))
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "event: ") {
			s.last.Store(time.Now().UnixMilli())
			heard()
		}
	}
}

func (s *Service) open(ctx context.Context, silence time.Duration) (net.Conn, error) {
	if silence > 0 {
		limited, cancel := context.WithTimeout(ctx, silence)
		defer cancel()
		ctx = limited
	}
	return dial(ctx, s.cfg.Source)
}

// followed is follow with the service's own idea of silence, and says whether there was any event.
func (s *Service) followed(ctx context.Context) (heard bool) {
	s.follow(ctx, s.cfg.Silence, func() { heard = true })
	return heard
}

func ask(conn net.Conn) error {
	_, err := fmt.Fprint(conn, "GET /feed HTTP/1.1\r\nHost: feed\r\n\r\n")
	return err
}
