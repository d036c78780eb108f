// SPDX-License-Identifier: Apache-2.0

package linesql

import (
	"database/sql"
	"errors"
	"testing"

	"brownout.example/services/internal/linestore"
	"brownout.example/services/internal/testkit"
)

func value(t *testing.T, db *sql.DB, query string) (v string) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func TestStatements(t *testing.T) {
	addr, stop := testkit.Backend(t, testkit.Address(0))
	defer stop()
	db := sql.OpenDB(Connector{Addr: addr})
	defer db.Close()
	if _, err := db.Exec("PUT a 1"); err != nil {
		t.Fatal(err)
	}
	if v := value(t, db, "GET a"); v != "1" {
		t.Errorf("got %q, want 1", v)
	}
	if _, err := db.Exec("DROP a"); !errors.Is(err, linestore.ErrReply) {
		t.Errorf("a statement that the server refuses: %v", err)
	}
	if n := db.Stats().OpenConnections; n != 1 {
		t.Errorf("%d connections after an error of the server, want the one", n)
	}
}

func TestTransaction(t *testing.T) {
	addr, stop := testkit.Backend(t, testkit.Address(0))
	defer stop()
	db := sql.OpenDB(Connector{Addr: addr})
	defer db.Close()
	for _, c := range []struct {
		end  func(*sql.Tx) error
		want string
	}{{(*sql.Tx).Commit, "2"}, {(*sql.Tx).Rollback, "1"}} {
		if _, err := db.Exec("PUT a 1"); err != nil {
			t.Fatal(err)
		}
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("PUT a 2"); err != nil {
			t.Fatal(err)
		}
		if err := c.end(tx); err != nil {
			t.Fatal(err)
		}
		if v := value(t, db, "GET a"); v != c.want {
			t.Errorf("got %q, want %q", v, c.want)
		}
	}
}

// The server restarts while a connection lies in the pool.
func TestDiedInThePool(t *testing.T) {
	for _, check := range []bool{false, true} {
		addr, stop := testkit.Backend(t, testkit.Address(0))
		db := sql.OpenDB(Connector{Addr: addr, CheckLiveness: check})
		value(t, db, "GET a")
		stop()
		_, stop = testkit.Backend(t, addr)
		_, err := db.Exec("PUT a 1")
		if (err == nil) != check {
			t.Errorf("CheckLiveness %t: %v", check, err)
		}
		if _, err := db.Exec("PUT a 1"); err != nil {
			t.Errorf("a broken connection was used twice: %v", err)
		}
		db.Close()
		stop()
	}
}
