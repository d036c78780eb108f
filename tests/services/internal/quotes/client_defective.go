// SPDX-License-Identifier: Apache-2.0

//go:build defective

package quotes

import "net/http"

// Variant is the name of this build.
const Variant = "defective"

// newClient is http.DefaultClient in all but name: it waits for a name for as long as resolv.conf says (10 s), and for a
// body for as long as it keeps coming.
func newClient(cfg Config) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = !cfg.KeepAlive
	return &http.Client{Transport: transport}
}
