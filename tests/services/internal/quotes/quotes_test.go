// SPDX-License-Identifier: Apache-2.0

package quotes

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"brownout.example/services/internal/testkit"
)

// timeout is what the test of it waits for, and far more than a busy machine adds to an answer that is there.
const timeout = time.Second

// A supplier that sends a byte now and then and never ends, once drips is set.
func TestSlowBody(t *testing.T) {
	drips := false // written before the request that reads it is sent
	supplier := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for drips && r.Context().Err() == nil {
			w.Write([]byte("."))
			w.(http.Flusher).Flush()
			time.Sleep(timeout / 10)
		}
	}))
	defer supplier.Close()
	server := httptest.NewServer(New(Config{Supplier: supplier.URL, Timeout: timeout, KeepAlive: true}).Handler())
	defer server.Close()
	if status := testkit.Status(t, server.URL+"/quote", 10*time.Second); status != http.StatusOK {
		t.Fatalf("status %d of a supplier that is well", status)
	}
	drips = true
	want, patience := 0, 3*timeout // the others never answer: three times the timeout is enough to see
	if Variant == "fixed" {
		want, patience = http.StatusGatewayTimeout, 10*time.Second
	}
	if status := testkit.Status(t, server.URL+"/quote", patience); status != want {
		t.Errorf("status %d of a supplier that drips, want %d", status, want)
	}
}

func TestNoSupplier(t *testing.T) {
	supplier := "http://" + testkit.NobodyListens()
	server := httptest.NewServer(New(Config{Supplier: supplier, Timeout: 10 * timeout}).Handler())
	defer server.Close()
	if status := testkit.Status(t, server.URL+"/quote", 10*time.Second); status != http.StatusBadGateway {
		t.Errorf("status %d, want 502", status)
	}
}
