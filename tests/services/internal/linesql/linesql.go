// SPDX-License-Identifier: Apache-2.0

// Package linesql is a database/sql driver for package backend: a statement is a line of its protocol, and a query's
// one row is the value that comes back.
package linesql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"brownout.example/services/internal/linestore"
)

// Connector makes connections to Addr (host:port) for sql.OpenDB.
//
// CheckLiveness looks whether a connection that comes out of the pool has been closed meanwhile. Nothing has been sent on
// it then, so another one can be taken whatever the statement is. Without it the statement itself finds out: and whether it
// was carried out is not known, so database/sql must not try again.
type Connector struct {
	Addr          string
	CheckLiveness bool
}

// Connect implements driver.Connector.
func (c Connector) Connect(ctx context.Context) (driver.Conn, error) {
	lc, err := linestore.Dial(ctx, c.Addr)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: lc, check: c.CheckLiveness}, nil
}

// Driver implements driver.Connector.
func (c Connector) Driver() driver.Driver { return c }

// Open implements driver.Driver.
func (c Connector) Open(name string) (driver.Conn, error) {
	return Connector{Addr: name, CheckLiveness: c.CheckLiveness}.Connect(context.Background())
}

type conn struct {
	*linestore.Conn
	check  bool
	broken bool // a statement failed half-way: never to be used again
}

var (
	_ driver.ExecerContext   = (*conn)(nil)
	_ driver.QueryerContext  = (*conn)(nil)
	_ driver.ConnBeginTx     = (*conn)(nil)
	_ driver.SessionResetter = (*conn)(nil)
	_ driver.Validator       = (*conn)(nil)
)

// ask is the answer to a statement; an ERROR of the server is an error here and leaves the connection as it was.
func (c *conn) ask(ctx context.Context, statement string) (string, error) {
	if c.broken {
		return "", driver.ErrBadConn
	}
	line, err := c.Ask(ctx, statement)
	if err != nil {
		c.broken = true
		return "", err
	}
	if strings.HasPrefix(line, "ERROR") {
		return "", fmt.Errorf("%w: %q", linestore.ErrReply, line)
	}
	return line, nil
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	_, err := c.ask(ctx, statement)
	return driver.ResultNoRows, err
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, statement string, _ []driver.NamedValue) (driver.Rows, error) {
	line, err := c.ask(ctx, statement)
	if err != nil {
		return nil, err
	}
	return &row{value: strings.TrimPrefix(line, "VALUE ")}, nil
}

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	_, err := c.ask(ctx, "BEGIN")
	return tx{c}, err
}

// ResetSession implements driver.SessionResetter: database/sql calls it when a connection comes out of the pool.
func (c *conn) ResetSession(context.Context) error {
	if c.check && !c.alive() {
		return driver.ErrBadConn
	}
	return nil
}

// IsValid implements driver.Validator: database/sql asks before a connection goes back to the pool.
func (c *conn) IsValid() bool { return !c.broken }

// alive tells whether there is nothing to read, as there should be between two statements: no FIN, no RST, and no data.
func (c *conn) alive() bool {
	tcp, ok := c.Conn.Conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	var read error
	err = raw.Read(func(fd uintptr) bool {
		_, read = syscall.Read(int(fd), make([]byte, 1))
		return true // whatever it was: never wait
	})
	return err == nil && (read == syscall.EAGAIN || read == syscall.EINTR)
}

func (c *conn) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("linesql: no prepared statements")
}

func (c *conn) Begin() (driver.Tx, error) { return c.BeginTx(context.Background(), driver.TxOptions{}) }

type tx struct{ c *conn }

func (t tx) Commit() error   { return t.end("COMMIT") }
func (t tx) Rollback() error { return t.end("ROLLBACK") }

func (t tx) end(statement string) error {
	_, err := t.c.ask(context.Background(), statement)
	return err
}

// row is a result of one row with one column.
type row struct {
	value string
	read  bool
}

func (*row) Columns() []string { return []string{"value"} }
func (*row) Close() error      { return nil }

func (r *row) Next(into []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read, into[0] = true, r.value
	return nil
}
