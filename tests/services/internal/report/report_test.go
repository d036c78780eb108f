// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, resp.StatusCode, err)
	}
	return string(body)
}

func TestReports(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := New(ctx, Config{ReportBytes: 4096})
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	if got := fetch(t, server.URL+"/report?id=7"); got != "report of 7\n" {
		t.Errorf("got %q", got)
	}
	if first, second := fetch(t, server.URL+"/report"), fetch(t, server.URL+"/report"); first == second {
		t.Errorf("two new customers got the same report %q", first)
	}
	if _, kept := s.cache.get("7"); !kept {
		t.Error("a rendered report is not kept")
	}
}

// What bounds the cache?
func TestCacheBound(t *testing.T) {
	const limit, size = 1 << 20, 16 << 10
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := newCache(ctx, Config{})
	if l, ok := any(c).(interface{ resize(int64) }); ok {
		l.resize(limit)
	} else if Variant == "fixed" {
		t.Fatal("the fixed cache cannot be resized")
	}
	const n = 2 * limit / size
	for i := 0; i < n; i++ {
		c.put(fmt.Sprint(i), make([]byte, size))
	}
	kept := 0
	for i := 0; i < n; i++ {
		if _, ok := c.get(fmt.Sprint(i)); ok {
			kept++
		}
	}
	want := n
	if Variant == "fixed" {
		want = limit / size
	}
	if kept != want {
		t.Errorf("%d of %d reports kept, want %d", kept, n, want)
	}
}
