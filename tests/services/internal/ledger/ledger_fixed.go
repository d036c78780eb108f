// SPDX-License-Identifier: Apache-2.0

//go:build !defective && !wrongfix

package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"

	"brownout.example/services/internal/linesql"
)

// Variant is the name of this build.
const Variant = "fixed"

// open has the driver look at a connection before it sends a statement on it.
func open(addr string) *sql.DB {
	return sql.OpenDB(linesql.Connector{Addr: addr, CheckLiveness: true})
}

// transfer gives its connection back however it ends: Rollback after Commit does nothing. (Were it forgotten, the end of
// ctx would roll back as well, a moment later: that is what BeginTx has a context for, and Begin lacks.)
func (s *Service) transfer(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := statements(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// idempotencyKey is that of the order: a second try of it changes nothing that the first one did.
func idempotencyKey(order int64, _ int) string { return fmt.Sprintf("order-%d", order) }

// statement is printed into memory, which takes as long as the database does; then the connection goes back, and the client
// may take its time.
func (s *Service) statement(parent context.Context, w io.Writer) error {
	ctx, cancel := context.WithTimeout(parent, s.cfg.Timeout)
	defer cancel()
	var page bytes.Buffer
	if err := s.print(ctx, &page); err != nil {
		return err
	}
	_, err := page.WriteTo(w)
	return err
}
