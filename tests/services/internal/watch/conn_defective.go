// SPDX-License-Identifier: Apache-2.0

//go:build defective

package watch

import (
	"context"
	"net"
)

// Variant is the name of this build.
const Variant = "defective"

// dial turns keepalive off ("it woke up the radio", once) and puts nothing in its place.
func dial(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1}
	return dialer.DialContext(ctx, "tcp", address)
}
