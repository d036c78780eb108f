//go:build cgo

// SPDX-License-Identifier: Apache-2.0

package main

// static int seven(void) { return 7; }
import "C"

// useC makes the runtime create its extra threads, as any program with cgo has them.
func useC() { C.seven() }
