// SPDX-License-Identifier: Apache-2.0

//go:build defective

package report

import (
	"context"
	"sync"
)

// Variant is the name of this build.
const Variant = "defective"

// cache keeps every report that was ever rendered. It is fast, its hit rate is fine, and it grows with the number of
// customers until the kernel ends the process.
type cache struct{ reports *sync.Map }

func newCache(context.Context, Config) cache { return cache{reports: &sync.Map{}} }

func (c cache) get(id string) ([]byte, bool) {
	if body, ok := c.reports.Load(id); ok {
		return body.([]byte), true
	}
	return nil, false
}

func (c cache) put(id string, body []byte) { c.reports.Store(id, body) }
func (c cache) shed() bool                 { return false }
