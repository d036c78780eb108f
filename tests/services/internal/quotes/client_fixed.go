// SPDX-License-Identifier: Apache-2.0

//go:build !defective && !wrongfix

package quotes

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Variant is the name of this build.
const Variant = "fixed"

// newClient has one timeout over all of a call, the body included, and dials addresses that it remembers.
func newClient(cfg Config) *http.Client {
	d := &dialer{lookup: net.DefaultResolver.LookupHost, patience: cfg.Timeout / 4}
	return &http.Client{
		Timeout:   cfg.Timeout,
		Transport: &http.Transport{DialContext: d.dial, DisableKeepAlives: !cfg.KeepAlive},
	}
}

// How long an answer of the name server is good without asking again, and how long a failure is.
const remembered = time.Second

// dialer asks for a name once a second, for no longer than patience, one look-up at a time; while there is no answer the
// last one is good (RFC 8767, "Serving Stale Data to Improve DNS Resiliency").
type dialer struct {
	lookup   func(ctx context.Context, name string) ([]string, error)
	patience time.Duration
	mu       sync.Mutex
	names    map[string]*entry // as many as the program has suppliers
}

type entry struct {
	addrs  []string
	err    error         // of the last look-up, if there never were addresses
	next   time.Time     // nobody asks before this
	asking chan struct{} // closed when the look-up under way has ended; nil without one
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := d.addresses(ctx, name)
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	for _, addr := range addrs {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(addr, port))
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// addresses are never none without an error.
func (d *dialer) addresses(ctx context.Context, name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names == nil {
		d.names = map[string]*entry{}
	}
	e := d.names[name]
	if e == nil {
		e = &entry{}
		d.names[name] = e
	}
	if e.asking == nil && time.Now().After(e.next) {
		e.asking = make(chan struct{})
		go d.ask(name, e)
	}
	if asking := e.asking; asking != nil && len(e.addrs) == 0 { // there is nothing to go by yet
		d.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
		}
		d.mu.Lock()
	}
	if len(e.addrs) > 0 {
		return e.addrs, nil
	}
	if e.err != nil {
		return nil, e.err
	}
	return nil, ctx.Err()
}

// ask ends within patience, so no look-up outlives the next one.
func (d *dialer) ask(name string, e *entry) {
	ctx, cancel := context.WithTimeout(context.Background(), d.patience)
	defer cancel()
	addrs, err := d.lookup(ctx, name)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		e.addrs = addrs
	}
	e.err, e.next = err, time.Now().Add(remembered)
	close(e.asking)
	e.asking = nil
}
