// SPDX-License-Identifier: Apache-2.0

//go:build defective

package feed

import (
	"net"
	"time"
)

// Variant is the name of this build.
const Variant = "defective"

// stream starts the heartbeat and forgets it. The heartbeat ignores that its writes fail, and nothing else tells it
// that the client has gone: each connection ever made costs a goroutine, a ticker and a socket for good.
func (s *Service) stream(conn net.Conn) {
	go s.heartbeat(conn)
}

func (s *Service) heartbeat(conn net.Conn) {
	defer s.open.Add(-1)
	defer conn.Close()
	tick := time.NewTicker(s.cfg.Heartbeat)
	defer tick.Stop()
	for range tick.C {
		beat(conn)
	}
}
