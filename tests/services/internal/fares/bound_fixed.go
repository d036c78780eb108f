// SPDX-License-Identifier: Apache-2.0

//go:build !defective && !wrongfix

package fares

import "context"

// Variant is the name of this build.
const Variant = "fixed"

// ask is learned patience within the timeout of the request, which holds for all tries together.
func (s *Service) ask(parent context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(parent, s.cfg.Timeout)
	defer cancel()
	return s.try(ctx, s.patience.now)
}
