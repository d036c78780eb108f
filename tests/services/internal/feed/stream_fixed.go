// SPDX-License-Identifier: Apache-2.0

//go:build !defective && !wrongfix

package feed

import (
	"io"
	"net"
	"syscall"
	"time"
)

// Variant is the name of this build.
const Variant = "fixed"

const tcpUserTimeout = 0x12 // TCP_USER_TIMEOUT of tcp(7); package syscall does not have it

// stream ends when the client says goodbye (the reader sees it), when it takes no heartbeats (the write deadline) and
// when it no longer acknowledges them (TCP_USER_TIMEOUT: the kernel then fails the read with ETIMEDOUT). The last is
// the one that finds a client that vanished: heartbeats are small, so a write deadline alone would wait for the send
// buffer to fill.
func (s *Service) stream(conn net.Conn) {
	setUserTimeout(conn, s.cfg.Patience)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, conn)
	}()
	go s.heartbeat(conn, gone)
}

func (s *Service) heartbeat(conn net.Conn, gone <-chan struct{}) {
	defer s.open.Add(-1)
	defer conn.Close() // also ends the reader
	tick := time.NewTicker(s.cfg.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			return
		case <-tick.C:
			if conn.SetWriteDeadline(time.Now().Add(s.cfg.Patience)) != nil || beat(conn) != nil {
				return
			}
		}
	}
}

func setUserTimeout(conn net.Conn, patience time.Duration) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(patience.Milliseconds()))
	})
}
