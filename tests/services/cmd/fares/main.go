// SPDX-License-Identifier: Apache-2.0

// Command fares asks a database for every fare: see package fares for its three builds.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"brownout.example/services/internal/fares"
	"brownout.example/services/internal/httpd"
)

func main() {
	listen := flag.String("listen", ":8080", "address to serve on")
	database := flag.String("database", "db:5432", "host:port of the database")
	timeout := flag.Duration("timeout", time.Second, "of a request")
	pool := flag.Int("pool", 64, "connections to the database, made at the start")
	flag.Parse()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	service, err := fares.New(ctx, fares.Config{Database: *database, Timeout: *timeout, PoolSize: *pool})
	if err != nil {
		fmt.Fprintln(os.Stderr, "fares:", err)
		os.Exit(1)
	}
	httpd.Run("fares ("+fares.Variant+")", *listen, service.Handler())
}
