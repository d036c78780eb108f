// SPDX-License-Identifier: Apache-2.0

//go:build wrongfix

package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"time"

	"brownout.example/services/internal/linesql"
)

// Variant is the name of this build.
const Variant = "wrongfix"

// open keeps no connection for longer than the server is said to. One that dies before that is used all the same.
func open(addr string) *sql.DB {
	db := sql.OpenDB(linesql.Connector{Addr: addr})
	db.SetConnMaxLifetime(20 * time.Second)
	return db
}

// transfer waits for a connection no longer than the timeout, and rolls back when its code panics. An error is no panic:
// after it the transaction stays open, and its connection is gone from the pool.
func (s *Service) transfer(ctx context.Context) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	tx, err := conn.BeginTx(context.Background(), nil)
	if err != nil {
		conn.Close()
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			tx.Rollback()
			conn.Close()
			panic(p)
		}
	}()
	if err := statements(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return conn.Close()
}

// idempotencyKey is made for each try, so no two tries are the same to the database.
func idempotencyKey(order int64, try int) string { return fmt.Sprintf("order-%d-try-%d", order, try) }

// statement has a timeout. It ends no write that waits for the client, so the connection is held as before; and the client
// that was waited for gets half a statement.
func (s *Service) statement(parent context.Context, w io.Writer) error {
	ctx, cancel := context.WithTimeout(parent, s.cfg.Timeout)
	defer cancel()
	return s.print(ctx, w)
}
