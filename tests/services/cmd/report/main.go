// SPDX-License-Identifier: Apache-2.0

// Command report renders and caches reports: see package report for its three builds.
package main

import (
	"context"
	"flag"

	"brownout.example/services/internal/httpd"
	"brownout.example/services/internal/report"
)

func main() {
	listen := flag.String("listen", ":8080", "address to serve on")
	reportBytes := flag.Int("report-bytes", 64<<10, "size of one report")
	memoryLimit := flag.Int64("memory-limit", 0, "bytes that it was told it has, 0 for none")
	flag.Parse()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	service := report.New(ctx, report.Config{ReportBytes: *reportBytes, MemoryLimit: *memoryLimit})
	httpd.Run("report ("+report.Variant+")", *listen, service.Handler())
}
