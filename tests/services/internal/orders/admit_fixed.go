// SPDX-License-Identifier: Apache-2.0

//go:build !defective && !wrongfix

package orders

import (
	"context"
	"time"

	"brownout.example/services/internal/memguard"
)

// Orders worked on at a time. With Config.Document this bounds memory; by Little's law it is also the rate that may
// time out at once (512 requests of 1 s each).
const maxInflight = 512

// admission refuses work that would not fit into memory: too many at a time, or too close to the memory limit.
type admission struct {
	slots chan struct{}
	guard *memguard.Guard
}

func newAdmission(ctx context.Context) admission {
	return admission{
		slots: make(chan struct{}, maxInflight),
		guard: memguard.Start(ctx, 100*time.Millisecond, 0),
	}
}

func (a admission) enter() bool {
	if a.guard.Shed() {
		return false
	}
	select {
	case a.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (a admission) leave() { <-a.slots }
