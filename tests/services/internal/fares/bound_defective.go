// SPDX-License-Identifier: Apache-2.0

//go:build defective

package fares

import "context"

// Variant is the name of this build.
const Variant = "defective"

// ask is learned patience alone. A database that is slow all at once is given up at once, and so teaches nothing. One that
// gets slower bit by bit stays below four times what it took a moment ago, all the way up.
func (s *Service) ask(parent context.Context) (string, error) {
	return s.try(parent, s.patience.now)
}
