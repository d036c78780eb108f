// SPDX-License-Identifier: Apache-2.0

// Command feed streams events to long-lived connections: see package feed for its three builds.
package main

import (
	"flag"
	"time"

	"brownout.example/services/internal/feed"
	"brownout.example/services/internal/httpd"
)

func main() {
	listen := flag.String("listen", ":8080", "address to serve on")
	heartbeat := flag.Duration("heartbeat", 500*time.Millisecond, "between heartbeats")
	patience := flag.Duration("patience", 2*time.Second, "how long a client may leave heartbeats unacknowledged")
	flag.Parse()

	service := feed.New(feed.Config{Heartbeat: *heartbeat, Patience: *patience})
	httpd.Run("feed ("+feed.Variant+")", *listen, service.Handler())
}
