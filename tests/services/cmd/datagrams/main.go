// SPDX-License-Identifier: Apache-2.0

// Command datagrams answers UDP with what it was sent (-serve), or asks such a server once per GET /ask (-peer).
// The answer is 200, 502 when it was told that nobody listens, or 504 when nobody said anything for -timeout.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"brownout.example/services/internal/httpd"
)

func serve(conn net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			continue // that an answer was refused is told here, too
		}
		_, _ = conn.WriteTo(buf[:n], from)
	}
}

func ask(peer string, timeout time.Duration) error {
	conn, err := net.Dial("udp", peer)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("query")); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 2048))
	return err
}

func main() {
	listen := flag.String("listen", ":8080", "address of HTTP")
	server := flag.String("serve", "", "address to answer UDP on")
	peer := flag.String("peer", "", "whom to ask")
	timeout := flag.Duration("timeout", 2*time.Second, "how long to wait for an answer")
	flag.Parse()

	if *server != "" {
		conn, err := net.ListenPacket("udp", *server)
		if err != nil {
			fmt.Fprintln(os.Stderr, "datagrams:", err)
			os.Exit(1)
		}
		go serve(conn)
	}
	mux := httpd.NewMux()
	mux.HandleFunc("/ask", func(w http.ResponseWriter, r *http.Request) {
		err := ask(*peer, *timeout)
		switch {
		case err == nil:
			fmt.Fprintln(w, "ok")
		case errors.Is(err, syscall.ECONNREFUSED):
			fmt.Println("refused:", err)
			http.Error(w, err.Error(), http.StatusBadGateway)
		default:
			http.Error(w, err.Error(), http.StatusGatewayTimeout)
		}
	})
	httpd.Run("datagrams", *listen, mux)
}
