// SPDX-License-Identifier: Apache-2.0

// Package quotes asks a supplier over HTTP for every quote.
//
// Three builds, as in package orders; what differs is how long a call may take and who remembers addresses:
//
//	(none)     client_fixed.go      one timeout over name, dial, header and body; addresses are remembered
//	defective  client_defective.go  the zero http.Client: no timeout at all
//	wrongfix   client_wrongfix.go   a timeout for each step, and none for a body that keeps coming
package quotes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"brownout.example/services/internal/httpd"
)

// Config of the service. Without KeepAlive each call dials, as behind a name whose addresses change.
type Config struct {
	Supplier  string // URL
	Timeout   time.Duration
	KeepAlive bool
}

// Service holds the client.
type Service struct {
	cfg    Config
	client *http.Client
}

// New returns the service.
func New(cfg Config) *Service { return &Service{cfg: cfg, client: newClient(cfg)} }

// Handler serves /quote and the routes of every service.
func (s *Service) Handler() http.Handler {
	mux := httpd.NewMux()
	mux.HandleFunc("/quote", s.quote)
	return mux
}

// quote answers 200 with how long the quote is, 502 when there is none, 504 when it took too long.
func (s *Service) quote(w http.ResponseWriter, r *http.Request) {
	n, err := s.ask(r.Context())
	var ne net.Error
	switch {
	case err == nil:
		fmt.Fprintf(w, "a quote of %d bytes\n", n)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		http.Error(w, err.Error(), http.StatusGatewayTimeout)
	default:
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

func (s *Service) ask(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.Supplier, nil)
	if err != nil {
		return 0, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return len(body), err
}
