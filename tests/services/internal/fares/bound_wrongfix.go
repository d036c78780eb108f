// SPDX-License-Identifier: Apache-2.0

//go:build wrongfix

package fares

import (
	"context"
	"time"
)

// Variant is the name of this build.
const Variant = "wrongfix"

// ask gives patience a ceiling: the timeout, for each try. Two of them take twice as long, and ask the slow database twice.
func (s *Service) ask(parent context.Context) (string, error) {
	return s.try(parent, func() time.Duration {
		if learned := s.patience.now(); learned < s.cfg.Timeout {
			return learned
		}
		return s.cfg.Timeout
	})
}
