// SPDX-License-Identifier: Apache-2.0

//go:build wrongfix

package watch

import (
	"context"
	"net"
	"time"
)

// Variant is the name of this build.
const Variant = "wrongfix"

// dial is the repair that comes to mind first: timeouts wherever the service does something. A connection that only
// reads does nothing.
func dial(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1, Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetWriteDeadline(time.Now().Add(time.Second))
}

// attempt is over when the stream is silent, and so is its connection.
func (s *Service) attempt(ctx context.Context) (heard bool) { return s.followed(ctx) }

// next is exponential backoff that nothing ends: to a line that drops out now and then each time is one failure more, however
// well the stream was in between.
func next(pause time.Duration, _ bool) time.Duration {
	if pause > 15*time.Second {
		return 30 * time.Second
	}
	return 2 * pause
}
