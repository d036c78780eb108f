// SPDX-License-Identifier: Apache-2.0

// Command watch serves what it last heard from a feed: see package watch for its three builds.
package main

import (
	"context"
	"flag"
	"time"

	"brownout.example/services/internal/httpd"
	"brownout.example/services/internal/watch"
)

func main() {
	listen := flag.String("listen", ":8080", "address to serve on")
	source := flag.String("source", "feed:8080", "host:port of the feed")
	fresh := flag.Duration("fresh", time.Second, "what is older is not served")
	silence := flag.Duration("silence", 0, "a stream that is silent for so long is opened again; 0: never")
	flag.Parse()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	service := watch.New(ctx, watch.Config{Source: *source, Fresh: *fresh, Silence: *silence})
	httpd.Run("watch ("+watch.Variant+")", *listen, service.Handler())
}
