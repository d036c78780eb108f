// SPDX-License-Identifier: Apache-2.0

// Command ledger keeps accounts in a database: see package ledger for its three builds.
package main

import (
	"flag"
	"time"

	"brownout.example/services/internal/httpd"
	"brownout.example/services/internal/ledger"
)

func main() {
	listen := flag.String("listen", ":8080", "address to serve on")
	database := flag.String("database", "db:5432", "host:port of the database")
	timeout := flag.Duration("timeout", time.Second, "of a request, and of each try of a payment")
	patience := flag.Duration("patience", 4*time.Second, "of a payment with all its tries")
	pool := flag.Int("pool", 8, "connections to the database")
	flag.Parse()

	service := ledger.New(ledger.Config{Database: *database, Timeout: *timeout, Patience: *patience, PoolSize: *pool})
	httpd.Run("ledger ("+ledger.Variant+")", *listen, service.Handler())
}
