// SPDX-License-Identifier: Apache-2.0

//go:build wrongfix

package orders

import "context"

// Variant is the name of this build.
const Variant = "wrongfix"

// lookup is the repair that comes to mind first: wait for the timeout beside the answer. Latency is right from then
// on, so a budget on latency alone is content. But the query still knows no context, and each request that timed out
// leaves its goroutine parked on the unbuffered channel for good: the defect is only out of sight.
func (s *Service) lookup(parent context.Context, o *order) error {
	ctx, cancel := context.WithTimeout(parent, s.cfg.Timeout)
	defer cancel()
	done := make(chan error)
	go func() {
		price, err := s.store.Get(o.key)
		o.price = price
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
