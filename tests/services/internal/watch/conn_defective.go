// SPDX-License-Identifier: Apache-2.0

//go:build defective

package watch

import (
	"context"
	"net"
	"time"
)

// Variant is the name of this build.
const Variant = "defective"

// dial turns keepalive off ("it woke up the radio", once) and puts nothing in its place.
func dial(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1}
	return dialer.DialContext(ctx, "tcp", address)
}

// attempt is over when the stream is silent, and its connection is not: nobody tells follow. The line comes back, TCP sends
// again what was lost, and from then on there are two streams.
func (s *Service) attempt(ctx context.Context) (heard bool) {
	ended, event := make(chan struct{}), make(chan struct{}, 1)
	go func() {
		defer close(ended)
		s.follow(ctx, 0, func() {
			select {
			case event <- struct{}{}:
			default:
			}
		})
	}()
	for {
		var silent <-chan time.Time
		if s.cfg.Silence > 0 {
			silent = time.After(s.cfg.Silence)
		}
		select {
		case <-ended:
			return heard
		case <-event:
			heard = true
		case <-silent:
			return heard
		}
	}
}

func next(time.Duration, bool) time.Duration { return firstPause }
