// SPDX-License-Identifier: Apache-2.0

// Package ledger keeps accounts in a database, through database/sql.
//
// Three builds, as in package orders. Each of them gets four things right or wrong, and a scenario looks at one:
//
//	                                        (none): ledger_fixed.go  defective                wrongfix
//	a connection died in the pool           found before it is used  the query finds out      young connections only
//	a statement of a transaction fails      rolled back              never given back         rolled back after a panic
//	no answer: was it done?                 asked again, same key    asked again              asked again, another key
//	a client that takes its time            holds a buffer           holds a connection       is cut off
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"brownout.example/services/internal/httpd"
)

// Config of the service.
type Config struct {
	Database string        // host:port
	Timeout  time.Duration // of a request that is tried once, and of each try of a payment
	Patience time.Duration // of a payment with all its tries
	PoolSize int           // connections to the database
}

// Service holds the pool.
type Service struct {
	cfg    Config
	db     *sql.DB
	orders atomic.Int64
}

// New returns the service.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, db: open(cfg.Database)}
	s.db.SetMaxOpenConns(cfg.PoolSize)
	s.db.SetMaxIdleConns(cfg.PoolSize)
	return s
}

// Handler serves /balance, /transfer, /pay, /audit, /statement and the routes of every service.
func (s *Service) Handler() http.Handler {
	mux := httpd.NewMux()
	for path, work := range map[string]func(context.Context) (string, error){
		"/balance": s.balance, "/transfer": s.transferred, "/pay": s.pay, "/audit": s.audit,
	} {
		work := work
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			text, err := work(r.Context())
			if err != nil {
				http.Error(w, err.Error(), status(err))
				return
			}
			fmt.Fprintln(w, text)
		})
	}
	mux.HandleFunc("/statement", s.printed)
	return mux
}

var errTwice = errors.New("somebody was charged twice")

func status(err error) int {
	var ne net.Error
	switch {
	case errors.Is(err, errTwice):
		return http.StatusInternalServerError
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return http.StatusGatewayTimeout
	default:
		return http.StatusServiceUnavailable
	}
}

// value is the answer to a query that changes nothing.
func (s *Service) value(ctx context.Context, query string, into any) error {
	return s.db.QueryRowContext(ctx, query).Scan(into)
}

func (s *Service) balance(parent context.Context) (balance string, err error) {
	ctx, cancel := context.WithTimeout(parent, s.cfg.Timeout)
	defer cancel()
	err = s.value(ctx, "GET account", &balance)
	return balance, err
}

func (s *Service) transferred(parent context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(parent, s.cfg.Timeout)
	defer cancel()
	return "transferred", s.transfer(ctx)
}

// statements is what a transfer does within its transaction.
func statements(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range []string{"PUT from 1", "PUT to 2"} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// pay charges one order, and asks again until it has an answer or its patience ends.
func (s *Service) pay(parent context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(parent, s.cfg.Patience)
	defer cancel()
	order := s.orders.Add(1)
	for try := 1; ; try++ {
		err := s.charge(ctx, idempotencyKey(order, try))
		if err == nil {
			return fmt.Sprintf("order %d charged at try %d", order, try), nil
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(s.cfg.Timeout / 4):
		}
	}
}

func (s *Service) charge(parent context.Context, key string) error {
	ctx, cancel := context.WithTimeout(parent, s.cfg.Timeout)
	defer cancel()
	_, err := s.db.ExecContext(ctx, "ADD charges "+key)
	return err
}

// audit fails when there are more charges than orders ever were.
func (s *Service) audit(parent context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(parent, s.cfg.Timeout)
	defer cancel()
	var charges int64
	if err := s.value(ctx, "COUNT charges", &charges); err != nil {
		return "", err
	}
	orders := s.orders.Load() // after the charges were counted: an order is counted before it is charged
	if charges > orders {
		return "", fmt.Errorf("%w: %d charges for %d orders", errTwice, charges, orders)
	}
	return fmt.Sprintf("%d charges for %d orders", charges, orders), nil
}

// A statement of account is read and printed in parts, 256 KiB in all.
const (
	statementParts = 16
	partBytes      = 16 << 10
)

// printed answers with a statement. What fails once the answer has begun can only be told by its not ending as it should.
func (s *Service) printed(w http.ResponseWriter, r *http.Request) {
	page := &counted{w: w}
	err := s.statement(r.Context(), page)
	switch {
	case err == nil:
	case page.n == 0:
		http.Error(w, err.Error(), status(err))
	default:
		panic(http.ErrAbortHandler)
	}
}

type counted struct {
	w io.Writer
	n int
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += n
	return n, err
}

// print reads a statement as from a cursor, on one connection that is its own until all of it is written to w.
func (s *Service) print(ctx context.Context, w io.Writer) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for part := 0; part < statementParts; part++ {
		var row string
		if err := conn.QueryRowContext(ctx, fmt.Sprintf("GET statement:%d", part)).Scan(&row); err != nil {
			return err
		}
		row += "\n"
		if _, err := io.WriteString(w, strings.Repeat(row, partBytes/len(row))); err != nil {
			return err
		}
	}
	return nil
}
