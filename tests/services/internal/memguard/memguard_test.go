// SPDX-License-Identifier: Apache-2.0

package memguard

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFollowsTheLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	dir := t.TempDir()
	max := write(t, dir, "memory.max", "max\n")
	high := write(t, dir, "memory.high", "max\n")
	usage := write(t, dir, "memory.current", "85000000\n")
	stat := write(t, dir, "memory.stat", "anon 1\ninactive_file 35000000\n")
	s := source{limits: []string{max, high}, usage: usage, stat: stat, cache: "inactive_file"}

	g := &Guard{unlimited: before}
	var told []int64
	g.OnLimit(func(limit int64) { told = append(told, limit) })
	g.look(s, 0)
	if g.Shed() {
		t.Error("sheds without a limit")
	}
	write(t, dir, "memory.max", "100000000\n")
	g.look(s, 0)
	if g.Shed() {
		t.Error("sheds at 50% of the limit (page cache does not count)")
	}
	if got := debug.SetMemoryLimit(-1); got != 60000000 {
		t.Errorf("the collector was told %d", got)
	}
	write(t, dir, "memory.high", "60000000\n")
	g.look(s, 0)
	if !g.Shed() {
		t.Error("does not shed at 83% of the lower limit")
	}
	write(t, dir, "memory.max", "max\n")
	write(t, dir, "memory.high", "max\n")
	g.look(s, 0)
	if g.Shed() || debug.SetMemoryLimit(-1) != before {
		t.Error("still limited after the limit was lifted")
	}
	if len(told) != 4 || told[0] != 0 || told[1] != 100000000 || told[2] != 60000000 || told[3] != 0 {
		t.Errorf("told %v", told)
	}
}

func TestNoLimitFiles(t *testing.T) {
	limit, usage := source{}.read()
	if limit != 0 || usage <= 0 {
		t.Errorf("limit %d, usage %d", limit, usage)
	}
	// What cgroup v1 says when there is no limit.
	dir := t.TempDir()
	v1 := source{limits: []string{write(t, dir, "limit", "9223372036854771712\n")}, usage: write(t, dir, "usage", "5\n")}
	if limit, usage := v1.read(); limit != 0 || usage != 5 {
		t.Errorf("limit %d, usage %d", limit, usage)
	}
}
