// SPDX-License-Identifier: Apache-2.0

// Package testkit is what tests of several services do the same way.
package testkit

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"brownout.example/services/internal/backend"
)

// Backend serves at addr (port 0: any) until stop, which returns once every connection is closed.
func Backend(t *testing.T, addr string) (at string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		backend.New(backend.Config{MaxKeys: 10}).Serve(ctx, ln)
	}()
	return ln.Addr().String(), func() { cancel(); <-ended }
}

// Status is that of a GET of url, or 0 when there is no answer within patience.
func Status(t *testing.T, url string, patience time.Duration) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
