// SPDX-License-Identifier: Apache-2.0

//go:build wrongfix

package quotes

import (
	"net"
	"net/http"
)

// Variant is the name of this build.
const Variant = "wrongfix"

// newClient bounds each step. Dialling with its look-up now fails in time, and fails for as long as the name server does,
// though the supplier is well and where it was. A body has no bound: whoever sends a few bytes now and then is let send.
func newClient(cfg Config) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:           (&net.Dialer{Timeout: cfg.Timeout}).DialContext,
		ResponseHeaderTimeout: cfg.Timeout,
		DisableKeepAlives:     !cfg.KeepAlive,
	}}
}
