// SPDX-License-Identifier: Apache-2.0

// The server that load_bench drives: net/http with the shortest handler there is.
// It listens on a free port of 127.0.0.1, prints it on a line of its own, and ends when its standard input does,
// so that it cannot outlive the benchmark.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func main() {
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
		io.WriteString(w, "hello, world\n")
	}))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
