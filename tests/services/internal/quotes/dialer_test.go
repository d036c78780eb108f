// SPDX-License-Identifier: Apache-2.0

//go:build !defective && !wrongfix

package quotes

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// resolver answers as it is told, and counts.
type resolver struct {
	asked atomic.Int32
	err   atomic.Value // of error
	hang  atomic.Bool
}

var errServfail = errors.New("server misbehaving")

func (r *resolver) lookup(ctx context.Context, _ string) ([]string, error) {
	r.asked.Add(1)
	if r.hang.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := r.err.Load(); err != nil {
		return nil, err.(error)
	}
	return []string{"192.0.2.1"}, nil
}

// again lets the next call ask once more, and waits until nobody asks.
func again(t *testing.T, d *dialer) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		d.mu.Lock()
		e := d.names["supplier"]
		idle := e.asking == nil
		if idle {
			e.next = time.Time{}
		}
		d.mu.Unlock()
		if idle {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a look-up outlives its patience")
		}
	}
}

func TestLastAnswerIsGood(t *testing.T) {
	r := &resolver{}
	d := &dialer{lookup: r.lookup, patience: 20 * time.Millisecond}
	ctx := context.Background()
	for _, step := range []func(){func() {}, func() { r.err.Store(errServfail) }, func() { r.hang.Store(true) }} {
		step()
		for i := 0; i < 100; i++ { // two of these ask, however many they are
			if i == 50 {
				again(t, d)
			}
			if addrs, err := d.addresses(ctx, "supplier"); err != nil || addrs[0] != "192.0.2.1" {
				t.Fatalf("got %v, %v", addrs, err)
			}
		}
		again(t, d)
	}
	if n := r.asked.Load(); n < 4 || n > 6 {
		t.Errorf("asked %d times, want 6 or, where an answer was late, a little less", n)
	}
}

func TestNoAnswerEver(t *testing.T) {
	r := &resolver{}
	r.err.Store(errServfail)
	d := &dialer{lookup: r.lookup, patience: time.Hour}
	if _, err := d.addresses(context.Background(), "supplier"); !errors.Is(err, errServfail) {
		t.Errorf("got %v, want the failure of the look-up", err)
	}
	if _, err := d.addresses(context.Background(), "supplier"); !errors.Is(err, errServfail) || r.asked.Load() != 1 {
		t.Errorf("got %v after asking %d times, want the failure remembered", err, r.asked.Load())
	}
	again(t, d)
	r.hang.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := d.addresses(ctx, "supplier"); err == nil {
		t.Error("an answer out of nothing")
	}
}
