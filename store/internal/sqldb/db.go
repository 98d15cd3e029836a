// Package sqldb runs statements of bun on a database for packages sqlstore and sqlaccounts. A [Dialect] describes an
// engine. A [Session] runs statements, alone or in a transaction that is repeated after a conflict. hot.go explains the
// statements that are prepared. Package sqldb also has the migrations.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/uptrace/bun"
)

// maxAttempts is the maximum number of times that a transaction is run if conflicts or lost connections undo it.
const maxAttempts = 8

// A DB is an open database.
type DB struct {
	Dialect Dialect
	writer  *Pool
	reader  *Pool
}

// New returns an open database. Transactions that write use writer, everything else uses reader, which may be the same.
func New(dialect Dialect, writer, reader *sql.DB) *DB {
	db := &DB{Dialect: dialect}
	db.writer = db.newPool(writer)
	db.reader = db.writer
	if reader != writer {
		db.reader = db.newPool(reader)
	}
	return db
}

func (db *DB) newPool(pool *sql.DB) *Pool {
	return &Pool{DB: bun.NewDB(pool, db.Dialect.Bun).WithQueryHook(tracer{&db.Dialect})}
}

// Close closes the database.
func (db *DB) Close() error {
	err := db.reader.Close()
	if db.writer != db.reader {
		err = errors.Join(err, db.writer.Close())
	}
	return err
}

// Pools returns the statistics of each connection pool, by the pool's purpose.
func (db *DB) Pools() map[string]sql.DBStats {
	if db.reader == db.writer {
		return map[string]sql.DBStats{"all": db.writer.Stats()}
	}
	return map[string]sql.DBStats{"writer": db.writer.Stats(), "reader": db.reader.Stats()}
}

// Reading returns the pool that reads, for building queries.
func (db *DB) Reading() *bun.DB { return db.reader.DB }

// Single returns a session whose statements run each by itself.
func (db *DB) Single() *Session {
	return &Session{IDB: db.reader, dialect: &db.Dialect, pool: db.reader}
}

// Snapshot starts a transaction that reads one snapshot.
func (db *DB) Snapshot(ctx context.Context) (*Session, error) {
	return db.Dialect.begin(ctx, db.reader, db.Dialect.Snapshot)
}

// Atomically runs fn in a transaction on the writer, and repeats it after an error that may not occur again. It returns
// the error of a failed statement even if fn ignores it.
func (db *DB) Atomically(ctx context.Context, fn func(*Session) error) error {
	for attempt := 1; ; attempt++ {
		again, err := db.attempt(ctx, fn)
		if !again || attempt == maxAttempts {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(2*time.Millisecond) << attempt))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func (db *DB) attempt(ctx context.Context, fn func(*Session) error) (again bool, err error) {
	session, err := db.Dialect.begin(ctx, db.writer, db.Dialect.Update)
	if err != nil {
		return isTemporary(err), err
	}
	defer session.Rollback()
	err = fn(session)
	if session.Failed != nil {
		if err == nil {
			err = session.Failed
		}
		return isTemporary(session.Failed), err
	}
	if err != nil {
		return false, err
	}
	// If the connection is lost during COMMIT, the transaction may be committed. Only a conflict proves that it is not.
	err = session.Commit()
	unavailable, ok := errors.AsType[*unavailableError](err)
	return ok && unavailable.class == Conflict, err
}

// isTemporary reports whether a transaction that failed before its COMMIT may be repeated.
func isTemporary(err error) bool {
	_, ok := errors.AsType[*unavailableError](err)
	return ok
}
