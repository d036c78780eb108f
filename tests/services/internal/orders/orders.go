// SPDX-License-Identifier: Apache-2.0

// Package orders is a web service that asks a backend over TCP for every checkout.
//
// It is built three times from the same sources; a build tag chooses the one file that differs:
//
//	(none)     lookup_fixed.go      the timeout reaches every wait for the backend
//	defective  lookup_defective.go  the timeout is made and never handed on
//	wrongfix   lookup_wrongfix.go   the tempting repair: prompt answers, and a goroutine lost with each of them
package orders

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"brownout.example/services/internal/httpd"
	"brownout.example/services/internal/linestore"
)

// Config of the service.
type Config struct {
	Backend  string        // host:port
	Timeout  time.Duration // of a checkout as a whole
	PoolSize int           // connections to the backend
	Document int           // bytes that one order keeps in memory while it is worked on
}

// Service holds the pool and what the variant needs.
type Service struct {
	cfg   Config
	store *linestore.Store
	admit admission
	next  atomic.Int64
}

// order is one checkout while it is worked on.
type order struct {
	key      string
	document []byte
	price    string
}

// New returns the service; ctx ends what runs in its background.
func New(ctx context.Context, cfg Config) *Service {
	return &Service{cfg: cfg, store: linestore.Open(cfg.Backend, cfg.PoolSize), admit: newAdmission(ctx)}
}

// Handler serves /checkout and the routes of every service.
func (s *Service) Handler() http.Handler {
	mux := httpd.NewMux()
	mux.HandleFunc("/checkout", s.checkout)
	return mux
}

// checkout answers 200 with the price, 503 when it cannot or will not try, 504 when it took too long.
func (s *Service) checkout(w http.ResponseWriter, r *http.Request) {
	if !s.admit.enter() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "shedding load", http.StatusServiceUnavailable)
		return
	}
	defer s.admit.leave()

	item := r.URL.Query().Get("item")
	if item == "" {
		item = strconv.FormatInt(s.next.Add(1)%1000, 10)
	}
	o := &order{key: "price:" + item, document: make([]byte, s.cfg.Document)}
	for i := range o.document { // really used, so that it really costs memory
		o.document[i] = byte(i)
	}
	if err := s.lookup(r.Context(), o); err != nil {
		status := http.StatusServiceUnavailable
		var ne net.Error
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
			errors.As(err, &ne) && ne.Timeout() {
			status = http.StatusGatewayTimeout
		}
		http.Error(w, err.Error(), status)
		return
	}
	fmt.Fprintf(w, "order of %s for %s (%d bytes)\n", o.key, o.price, len(o.document))
}
