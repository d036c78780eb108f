// SPDX-License-Identifier: Apache-2.0

// Command backend is the database-like dependency of the demo services.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"brownout.example/services/internal/backend"
)

func main() {
	listen := flag.String("listen", ":5432", "address to serve on")
	serviceTime := flag.Duration("service-time", 2*time.Millisecond, "how long each query takes")
	maxKeys := flag.Int("max-keys", 100000, "keys that may be stored")
	flag.Parse()

	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Println("backend: serving on", ln.Addr())
	if err := backend.New(backend.Config{ServiceTime: *serviceTime, MaxKeys: *maxKeys}).Serve(ctx, ln); err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
}
