// SPDX-License-Identifier: Apache-2.0

// Command quotes asks a supplier for every quote: see package quotes for its three builds.
package main

import (
	"flag"
	"time"

	"brownout.example/services/internal/httpd"
	"brownout.example/services/internal/quotes"
)

func main() {
	listen := flag.String("listen", ":8080", "address to serve on")
	supplier := flag.String("supplier", "http://supplier:8081/", "URL of the supplier")
	timeout := flag.Duration("timeout", time.Second, "of a call to the supplier")
	keepAlive := flag.Bool("keepalive", true, "false: a connection for each call")
	flag.Parse()

	service := quotes.New(quotes.Config{Supplier: *supplier, Timeout: *timeout, KeepAlive: *keepAlive})
	httpd.Run("quotes ("+quotes.Variant+")", *listen, service.Handler())
}
