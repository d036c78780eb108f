// SPDX-License-Identifier: Apache-2.0

//go:build wrongfix

package report

import (
	"context"
	"runtime/debug"
	"sync"
)

// Variant is the name of this build.
const Variant = "wrongfix"

// cache is as unbounded as the defective one; the collector was told a memory limit. That limit is soft: it makes the
// collector work harder, and what is still reachable is not garbage. It is also read once, and the cgroup's limit moves.
type cache struct{ reports *sync.Map }

func newCache(_ context.Context, cfg Config) cache {
	if cfg.MemoryLimit > 0 {
		debug.SetMemoryLimit(cfg.MemoryLimit / 10 * 9)
	}
	return cache{reports: &sync.Map{}}
}

func (c cache) get(id string) ([]byte, bool) {
	if body, ok := c.reports.Load(id); ok {
		return body.([]byte), true
	}
	return nil, false
}

func (c cache) put(id string, body []byte) { c.reports.Store(id, body) }
func (c cache) shed() bool                 { return false }
