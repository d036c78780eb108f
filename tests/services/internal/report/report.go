// SPDX-License-Identifier: Apache-2.0

// Package report renders reports and keeps the rendered ones, so that asking again is cheap.
//
// Three builds, as in package orders; what differs is what bounds the cache:
//
//	(none)     cache_fixed.go      a share of the memory limit, followed as it moves; sheds load near it
//	defective  cache_defective.go  nothing
//	wrongfix   cache_wrongfix.go   nothing, but the collector was told a limit once, at start
package report

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"

	"brownout.example/services/internal/httpd"
)

// Config of the service. MemoryLimit (bytes, 0 for none) is what it was told at deployment, as GOMEMLIMIT is.
type Config struct {
	ReportBytes int
	MemoryLimit int64
}

// Service renders; its variant is in cache.
type Service struct {
	cfg   Config
	cache cache
	next  atomic.Int64
}

// New returns the service; ctx ends what runs in its background.
func New(ctx context.Context, cfg Config) *Service {
	return &Service{cfg: cfg, cache: newCache(ctx, cfg)}
}

// Handler serves /report and the routes of every service.
func (s *Service) Handler() http.Handler {
	mux := httpd.NewMux()
	mux.HandleFunc("/report", s.report)
	return mux
}

// report answers with one report: that of ?id=, or that of a customer never seen before.
func (s *Service) report(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	if id == "" {
		id = "new-" + strconv.FormatInt(s.next.Add(1), 10)
	}
	body, ok := s.cache.get(id)
	if !ok {
		if s.cache.shed() {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "shedding load", http.StatusServiceUnavailable)
			return
		}
		body = render(id, s.cfg.ReportBytes)
		s.cache.put(id, body)
	}
	// Only the head of it goes over the wire: the scenario is about memory, not about bandwidth.
	fmt.Fprintf(w, "%s\n", body[:len("report of ")+len(id)])
}

func render(id string, size int) []byte {
	head := "report of " + id + "\n"
	if size < len(head) {
		size = len(head)
	}
	body := make([]byte, size)
	for i := copy(body, head); i < size; i++ {
		body[i] = byte('a' + i%26)
	}
	return body
}
