// SPDX-License-Identifier: Apache-2.0

// The server that load_bench drives: net/http with the shortest handler there is.
// It listens on a free port of 127.0.0.1, prints it on a line of its own, and ends when its standard input does,
// so that it cannot outlive the benchmark. With two durations, STALL and PERIOD, nothing is answered in the last STALL of each PERIOD.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return d
}

func main() {
	var stall, period time.Duration
	if len(os.Args) == 3 {
		stall, period = duration(os.Args[1]), duration(os.Args[2])
	}
	start := time.Now()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	err = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if stall > 0 {
			if left := period - time.Since(start)%period; left <= stall {
				time.Sleep(left)
			}
		}
		io.WriteString(w, "hello, world\n")
	}))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
