// SPDX-License-Identifier: Apache-2.0

// Package testkit is what tests of several services do the same way.
package testkit

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"brownout.example/services/internal/backend"
)

// Address is host:port on a loopback address that this process has for itself (127.0.0.0/8 is all of the host's, and a
// process id has 22 bits), so that a port given back is not somebody else's before it is taken again.
func Address(port int) string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d:%d", 64+pid>>16, pid>>8&255, pid&255, port)
}

// NobodyListens is an address that refuses connections: Address has no servers but the test's own, at ports above 1.
func NobodyListens() string { return Address(1) }

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
