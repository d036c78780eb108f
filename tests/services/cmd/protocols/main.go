// SPDX-License-Identifier: Apache-2.0

// Command protocols answers the same over HTTP/1.1 in clear text and over TLS with HTTP/1.1 and HTTP/2, unary gRPC
// included, each on a port and on a unix socket; it is what the load engine's protocols are tried on.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
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

// clients is the configuration of a server that asks who the client is, and wants an answer that the authority signed.
func clients(authority string) (*tls.Config, error) {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "protocols:", err)
	os.Exit(1)
}

func main() {
	plain := flag.String("listen", ":8080", "address for HTTP/1.1 in clear text")
	secure := flag.String("listen-tls", ":8443", "address for TLS")
	mutual := flag.String("listen-mutual", ":8444", "address for TLS with client certificates")
	socket := flag.String("socket", "/tmp/protocols.sock", "unix socket for HTTP/1.1 in clear text")
	secureSocket := flag.String("socket-tls", "/tmp/protocols-tls.sock", "unix socket for TLS")
	authority := flag.String("client-ca", "ca.pem", "whose client certificates are taken")
	cert := flag.String("cert", "cert.pem", "certificate")
	key := flag.String("key", "key.pem", "its key")
	flag.Parse()

	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	mux.HandleFunc("/shop.Orders/", grpc)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 2 * time.Second}
	config, err := clients(*authority)
	if err != nil {
		fail(err)
	}
	asking := &http.Server{Handler: mux, ReadHeaderTimeout: 2 * time.Second, TLSConfig: config}

	done := make(chan error)
	listen := func(network, addr string, serve func(net.Listener) error) {
		l, err := net.Listen(network, addr)
		if err != nil {
			fail(err)
		}
		go func() { done <- serve(l) }()
	}
	listen("unix", *socket, server.Serve)
	listen("unix", *secureSocket, func(l net.Listener) error { return server.ServeTLS(l, *cert, *key) })
	listen("tcp", *secure, func(l net.Listener) error { return server.ServeTLS(l, *cert, *key) })
	listen("tcp", *mutual, func(l net.Listener) error { return asking.ServeTLS(l, *cert, *key) })
	listen("tcp", *plain, server.Serve)
	fail(<-done)
}
