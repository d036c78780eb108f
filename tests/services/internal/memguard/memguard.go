// SPDX-License-Identifier: Apache-2.0

// Package memguard keeps a service alive under a memory limit that may be lowered at any moment: it follows the limit
// of the process's own cgroup (v1 or v2), tells the garbage collector about it, and says when to shed load.
//
// GOMEMLIMIT alone does not do this: it is read once at start, and it is a wish, not a bound.
package memguard

import (
	"bufio"
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The Go heap gets this share of the limit; the rest is for stacks outside of it, code pages and kernel memory.
const heapShare = 0.60

// Above this share of the limit no new work is taken on.
const shedShare = 0.80

// Guard is the newest view of limit and usage; the zero Guard knows no limit and never sheds.
type Guard struct {
	limit     atomic.Int64 // bytes, 0 when there is none
	usage     atomic.Int64 // bytes
	unlimited int64        // what the collector was told before there was a limit
	mu        sync.Mutex
	onLimit   []func(limit int64)
}

// Start follows the limit every interval until ctx is done. fallback is used where no cgroup limit can be read (bytes,
// 0 for none).
func Start(ctx context.Context, interval time.Duration, fallback int64) *Guard {
	g := &Guard{unlimited: debug.SetMemoryLimit(-1)}
	source := findSource()
	g.look(source, fallback)
	go func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				g.look(source, fallback)
			}
		}
	}()
	return g
}

// OnLimit calls fn now and whenever the limit has changed, with the limit in bytes (0: none).
func (g *Guard) OnLimit(fn func(limit int64)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.onLimit = append(g.onLimit, fn)
	fn(g.limit.Load())
}

// Shed says whether there is too little memory left to take on more work.
func (g *Guard) Shed() bool {
	limit := g.limit.Load()
	return limit > 0 && float64(g.usage.Load()) > shedShare*float64(limit)
}

func (g *Guard) look(s source, fallback int64) {
	limit, usage := s.read()
	if limit == 0 {
		limit = fallback
	}
	g.usage.Store(usage)
	if g.limit.Swap(limit) == limit {
		return
	}
	if limit > 0 {
		debug.SetMemoryLimit(int64(heapShare * float64(limit)))
	} else {
		debug.SetMemoryLimit(g.unlimited)
	}
	g.mu.Lock()
	for _, fn := range g.onLimit {
		fn(limit)
	}
	g.mu.Unlock()
	if limit > 0 && float64(usage) > heapShare*float64(limit) {
		// The limit came down on us: give back at once what is free, not when the scavenger gets to it.
		debug.FreeOSMemory()
	}
}

// source is where limit and usage are read; without files the usage is the runtime's own and there is no limit.
type source struct {
	limits []string // the lowest of them counts
	usage  string
	stat   string // memory.stat, whose page cache is not ours to worry about: the kernel drops it first
	cache  string // key in stat
}

func (s source) read() (limit, usage int64) {
	for _, file := range s.limits {
		n := readInt(file)
		// v1 says "no limit" with a number near 2^63, v2 with the word "max" (not a number).
		if n > 0 && n < math.MaxInt64/2 && (limit == 0 || n < limit) {
			limit = n
		}
	}
	usage = readInt(s.usage) - readKey(s.stat, s.cache)
	if usage <= 0 {
		sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
		metrics.Read(sample)
		usage = int64(sample[0].Value.Uint64())
	}
	return limit, usage
}

// findSource finds the process's memory cgroup (cgroups(7): /proc/self/cgroup relative to the mount's root).
func findSource() source {
	paths := map[string]string{} // controller → path; "" is v2
	eachLine("/proc/self/cgroup", func(line string) {
		if f := strings.SplitN(line, ":", 3); len(f) == 3 {
			for _, controller := range strings.Split(f[1], ",") {
				paths[controller] = f[2]
			}
		}
	})
	var found source
	eachLine("/proc/self/mountinfo", func(line string) {
		before, after, _ := strings.Cut(line, " - ")
		f, t := strings.Fields(before), strings.Fields(after)
		if len(f) < 5 || len(t) < 3 || found.usage != "" {
			return
		}
		root, mount := f[3], f[4]
		v1, hasV1 := paths["memory"]
		v2, hasV2 := paths[""]
		switch {
		case t[0] == "cgroup" && hasV1 && strings.Contains(","+t[2]+",", ",memory,"):
			dir := inside(mount, root, v1)
			found = source{limits: []string{dir + "/memory.limit_in_bytes"}, usage: dir + "/memory.usage_in_bytes",
				stat: dir + "/memory.stat", cache: "total_inactive_file"}
		case t[0] == "cgroup2" && hasV2 && !hasV1:
			dir := inside(mount, root, v2)
			found = source{limits: []string{dir + "/memory.max", dir + "/memory.high"},
				usage: dir + "/memory.current", stat: dir + "/memory.stat", cache: "inactive_file"}
		}
	})
	return found
}

func inside(mount, root, path string) string {
	if rel, err := filepath.Rel(root, path); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.Join(mount, rel)
	}
	return filepath.Join(mount, path)
}

func eachLine(file string, fn func(string)) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		fn(in.Text())
	}
}

func readKey(file, key string) (n int64) {
	eachLine(file, func(line string) {
		if name, value, ok := strings.Cut(line, " "); ok && name == key {
			n, _ = strconv.ParseInt(value, 10, 64)
		}
	})
	return n
}

func readInt(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
