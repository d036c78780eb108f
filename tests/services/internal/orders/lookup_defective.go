// SPDX-License-Identifier: Apache-2.0

//go:build defective

package orders

import "context"

// Variant is the name of this build.
const Variant = "defective"

// lookup has two defects.
//
//  1. The context with the timeout is made and asked once whether it is over already; neither the wait below nor the
//     query ever sees it. A slow backend makes a late 200, a silent one a request that never ends.
//  2. When the client hangs up, nobody receives from the unbuffered channel any more: once the query returns, its
//     goroutine stays parked on the send for good, and keeps the order's memory.
func (s *Service) lookup(parent context.Context, o *order) error {
	ctx, cancel := context.WithTimeout(parent, s.cfg.Timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error)
	go func() {
		price, err := s.store.Get(o.key)
		o.price = price
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-parent.Done():
		return parent.Err()
	}
}
