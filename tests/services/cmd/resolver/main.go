// SPDX-License-Identifier: Apache-2.0

// Command resolver looks a name up for each request: with Go's own resolver, or with the C library's.
//
//	GET /go?name=db     net.Resolver, PreferGo
//	GET /libc?name=db   getent(1), so getaddrinfo(3)
//
// The answer is 200 with the addresses, or 502 with what went wrong; each look-up is also a line of output:
// "go db: 10.77.0.2 fd77::2" or "libc db: error: …", and how long it took in milliseconds at its end.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"sort"
	"strings"
	"time"
)

func byGo(ctx context.Context, name string) (string, error) {
	addrs, err := (&net.Resolver{PreferGo: true}).LookupHost(ctx, name)
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "", fmt.Errorf("error: %s notfound=%t timeout=%t", dns.Err, dns.IsNotFound, dns.IsTimeout)
	}
	sort.Strings(addrs)
	return strings.Join(addrs, " "), err
}

func byLibc(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "getent", "ahosts", name).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("error: getent exits with %d", exit.ExitCode())
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(string(out), "\n") {
		if fields := strings.Fields(line); len(fields) > 0 {
			seen[fields[0]] = true
		}
	}
	var addrs []string
	for addr := range seen {
		addrs = append(addrs, addr)
	}
	sort.Strings(addrs)
	return strings.Join(addrs, " "), err
}

func handler(how string, lookup func(context.Context, string) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("name")
		start := time.Now()
		text, err := lookup(context.Background(), name)
		if err != nil {
			text = err.Error()
			w.WriteHeader(http.StatusBadGateway)
		}
		fmt.Printf("%s %s: %s %d\n", how, name, text, time.Since(start).Milliseconds())
		fmt.Fprintln(w, text)
	}
}

func main() {
	http.HandleFunc("/go", handler("go", byGo))
	http.HandleFunc("/libc", handler("libc", byLibc))
	http.HandleFunc("/ready", func(w http.ResponseWriter, r *http.Request) {})
	if err := http.ListenAndServe(":8080", nil); err != nil {
		panic(err)
	}
}
