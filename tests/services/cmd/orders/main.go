// SPDX-License-Identifier: Apache-2.0

// Command orders is the demo's subject: see package orders for its three builds.
package main

import (
	"context"
	"flag"
	"time"

	"brownout.example/services/internal/httpd"
	"brownout.example/services/internal/orders"
)

func main() {
	listen := flag.String("listen", ":8080", "address to serve on")
	backend := flag.String("backend", "db:5432", "host:port of the backend")
	timeout := flag.Duration("timeout", time.Second, "of a checkout as a whole")
	pool := flag.Int("pool", 32, "connections to the backend")
	document := flag.Int("document", 16<<10, "bytes that one order keeps in memory while it is worked on")
	flag.Parse()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	service := orders.New(ctx, orders.Config{Backend: *backend, Timeout: *timeout, PoolSize: *pool, Document: *document})
	httpd.Run("orders ("+orders.Variant+")", *listen, service.Handler())
}
