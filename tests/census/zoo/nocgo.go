//go:build !cgo

// SPDX-License-Identifier: Apache-2.0

package main

func useC() {}
