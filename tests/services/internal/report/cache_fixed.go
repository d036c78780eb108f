// SPDX-License-Identifier: Apache-2.0

//go:build !defective && !wrongfix

package report

import (
	"container/list"
	"context"
	"sync"
	"time"

	"brownout.example/services/internal/memguard"
)

// Variant is the name of this build.
const Variant = "fixed"

const (
	cacheShare   = 4        // the cache may take 1/cacheShare of the memory limit
	cacheDefault = 64 << 20 // and this much when there is none
)

// cache keeps the reports used last, within a number of bytes that follows the memory limit.
type cache struct {
	*lru
	guard *memguard.Guard
}

type lru struct {
	mu      sync.Mutex
	max     int64
	size    int64
	order   *list.List // of *entry, used last in front
	entries map[string]*list.Element
}

type entry struct {
	id   string
	body []byte
}

func newCache(ctx context.Context, cfg Config) cache {
	c := cache{
		lru:   &lru{order: list.New(), entries: map[string]*list.Element{}},
		guard: memguard.Start(ctx, 50*time.Millisecond, cfg.MemoryLimit),
	}
	c.guard.OnLimit(func(limit int64) {
		if limit == 0 {
			limit = cacheDefault * cacheShare
		}
		c.resize(limit / cacheShare)
	})
	return c
}

func (c cache) shed() bool { return c.guard.Shed() }

func (l *lru) get(id string) ([]byte, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.entries[id]
	if !ok {
		return nil, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*entry).body, true
}

func (l *lru) put(id string, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.entries[id]; ok {
		l.remove(e)
	}
	l.entries[id] = l.order.PushFront(&entry{id, body})
	l.size += int64(len(body))
	l.trim()
}

func (l *lru) resize(max int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max = max
	l.trim()
}

func (l *lru) trim() {
	for l.size > l.max && l.order.Len() > 0 {
		l.remove(l.order.Back())
	}
}

func (l *lru) remove(e *list.Element) {
	old := l.order.Remove(e).(*entry)
	delete(l.entries, old.id)
	l.size -= int64(len(old.body))
}
