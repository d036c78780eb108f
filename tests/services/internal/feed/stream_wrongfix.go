// SPDX-License-Identifier: Apache-2.0

//go:build wrongfix

package feed

import (
	"io"
	"net"
	"time"
)

// Variant is the name of this build.
const Variant = "wrongfix"

// stream ends with the connection: a reader sees the client's FIN or RST and stops the heartbeat. It works for every
// client that says goodbye, which is every client of a test on one machine. One that vanishes (a phone out of reach,
// a firewall that forgot the flow) sends neither, and heartbeats to it go into the send buffer until TCP gives up
// after a quarter of an hour (tcp_retries2).
func (s *Service) stream(conn net.Conn) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, conn)
	}()
	go s.heartbeat(conn, gone)
}

func (s *Service) heartbeat(conn net.Conn, gone <-chan struct{}) {
	defer s.open.Add(-1)
	defer conn.Close()
	tick := time.NewTicker(s.cfg.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			return
		case <-tick.C:
			if beat(conn) != nil {
				return
			}
		}
	}
}
