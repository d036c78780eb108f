// SPDX-License-Identifier: Apache-2.0

// Package fares asks a database for a fare, and asks again when the answer takes longer than answers took lately.
//
// Three builds, as in package orders; what differs is what bounds a request with all its tries:
//
//	(none)     bound_fixed.go      the timeout of the request, around every try
//	defective  bound_defective.go  what was learned, which follows a database that gets slower wherever it goes
//	wrongfix   bound_wrongfix.go   a ceiling for each try
package fares

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"brownout.example/services/internal/httpd"
	"brownout.example/services/internal/linestore"
)

// Config of the service.
type Config struct {
	Database string        // host:port
	Timeout  time.Duration // of a request
	PoolSize int           // connections to the database
}

// Service holds the pool and what was learned of the database.
type Service struct {
	cfg      Config
	store    *linestore.Store
	patience patience
}

// New returns the service with a pool that is full already.
func New(ctx context.Context, cfg Config) (*Service, error) {
	s := &Service{cfg: cfg, store: linestore.Open(cfg.Database, cfg.PoolSize)}
	return s, s.store.Fill(ctx)
}

// Handler serves /fare and the routes of every service.
func (s *Service) Handler() http.Handler {
	mux := httpd.NewMux()
	mux.HandleFunc("/fare", s.fare)
	return mux
}

// fare answers 200 with a fare, 504 when there was none in time, 503 when there was none at all.
func (s *Service) fare(w http.ResponseWriter, r *http.Request) {
	fare, err := s.ask(r.Context())
	var ne net.Error
	switch {
	case err == nil:
		fmt.Fprintln(w, fare)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		http.Error(w, err.Error(), http.StatusGatewayTimeout)
	default:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

// A request is tried so often: a query may have met the one replica that is in trouble.
const tries = 2

// try asks until there is an answer, each time for as long as timeout says at that moment.
func (s *Service) try(ctx context.Context, timeout func() time.Duration) (fare string, err error) {
	for n := 0; n < tries && ctx.Err() == nil; n++ {
		if fare, err = s.query(ctx, timeout()); err == nil {
			return fare, nil
		}
	}
	return "", err
}

func (s *Service) query(parent context.Context, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(parent, timeout)
	defer cancel()
	start := time.Now()
	fare, err := s.store.GetContext(ctx, "fare")
	if err == nil {
		s.patience.learn(time.Since(start))
	}
	return fare, err
}

// patience is how long an answer may take: four times as long as answers took lately, which is an exponential mean with a
// weight of 1/4. Only answers teach: a query that was given up says nothing of how long it would have taken.
type patience struct {
	mu   sync.Mutex
	mean time.Duration
}

// However quick the database is, a pause of this length is none of its making.
const leastPatience = 250 * time.Millisecond

func (p *patience) learn(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mean += (took - p.mean) / 4
}

func (p *patience) now() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mean < leastPatience/4 {
		return leastPatience
	}
	return 4 * p.mean
}
