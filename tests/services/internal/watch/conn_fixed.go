// SPDX-License-Identifier: Apache-2.0

//go:build !defective && !wrongfix

package watch

import (
	"context"
	"net"
	"syscall"
	"time"
)

// Variant is the name of this build.
const Variant = "fixed"

// dial lets the kernel ask whether the other end is still there: after a second of silence, once a second, and two
// questions without an answer end the read with ETIMEDOUT. (net.Dialer.KeepAlive alone sets the interval and leaves the
// kernel's nine questions: with the 15 s of Go's default that is two and a half minutes.)
func dial(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1, Timeout: time.Second, Control: keepalive}
	return dialer.DialContext(ctx, "tcp", address)
}

func keepalive(network, address string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		for _, o := range []struct{ level, option, value int }{
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 1},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 1},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 2},
			{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		} {
			if e := syscall.SetsockoptInt(int(fd), o.level, o.option, o.value); e != nil && failed == nil {
				failed = e
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// attempt is over when the stream is silent, and so is its connection.
func (s *Service) attempt(ctx context.Context) (heard bool) { return s.followed(ctx) }

// next is the pause before the try after this one. Whoever was heard has come back: what failed before counts no longer.
func next(pause time.Duration, heard bool) time.Duration {
	if heard {
		return firstPause
	}
	if pause > time.Second/2 {
		return time.Second
	}
	return 2 * pause
}
