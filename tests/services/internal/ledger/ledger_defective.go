// SPDX-License-Identifier: Apache-2.0

//go:build defective

package ledger

import (
	"context"
	"database/sql"
	"io"

	"brownout.example/services/internal/linesql"
)

// Variant is the name of this build.
const Variant = "defective"

// open believes what the pool hands out.
func open(addr string) *sql.DB {
	return sql.OpenDB(linesql.Connector{Addr: addr})
}

// transfer has two defects. On the way out after an error nobody ends the transaction, so its connection never goes back
// to the pool; and Begin knows no context, so once the pool is empty it waits for one for good.
func (s *Service) transfer(ctx context.Context) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	if err := statements(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// idempotencyKey is none: the database does as often as it is asked.
func idempotencyKey(int64, int) string { return "" }

// statement goes straight to the client, which saves the memory. Where the client's line is slow the writes wait for it, and
// the connection to the database waits with them.
func (s *Service) statement(ctx context.Context, w io.Writer) error { return s.print(ctx, w) }
