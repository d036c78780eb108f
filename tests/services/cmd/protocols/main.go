// SPDX-License-Identifier: Apache-2.0

// Command protocols answers the same over HTTP/1.1 in clear text and over TLS with HTTP/1.1 and HTTP/2, unary gRPC
// included; it is what the load engine's protocols are tried on.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// grpc answers a unary call with the message that came, or with NOT_FOUND when the method is Missing.
func grpc(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) < 5 || int(binary.BigEndian.Uint32(body[1:5])) != len(body)-5 {
		http.Error(w, "not a gRPC message", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	if r.URL.Path == "/shop.Orders/Missing" {
		w.Header().Set("Grpc-Status", "5")
		w.Header().Set("Grpc-Message", "no%20such%20order")
		return
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
	w.Header().Set("Grpc-Status", "0")
}

func main() {
	plain := flag.String("listen", ":8080", "address for HTTP/1.1 in clear text")
	secure := flag.String("listen-tls", ":8443", "address for TLS")
	cert := flag.String("cert", "cert.pem", "certificate")
	key := flag.String("key", "key.pem", "its key")
	flag.Parse()

	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	mux.HandleFunc("/shop.Orders/", grpc)
	server := func(addr string) *http.Server {
		return &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 2 * time.Second}
	}
	go func() {
		fmt.Fprintln(os.Stderr, "protocols:", server(*plain).ListenAndServe())
		os.Exit(1)
	}()
	fmt.Fprintln(os.Stderr, "protocols:", server(*secure).ListenAndServeTLS(*cert, *key))
	os.Exit(1)
}
