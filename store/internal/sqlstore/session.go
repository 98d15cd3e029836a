package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/uptrace/bun"
	"go.opentelemetry.io/otel/trace"

	"github.com/spendwise/spendwise/expense"
)

// endTimeout limits the duration of a COMMIT or ROLLBACK, which the caller's context does not interrupt.
const endTimeout = 30 * time.Second

// A pool is a database with the hot statements that are prepared on it.
type pool struct {
	*bun.DB
	prepared sync.Map // text → *sql.Stmt
}

// A session runs statements: each on a connection of the pool, or all in one transaction. Queries that are built with
// its methods of [bun.IDB] run with find and change, hot statements with each, one and exec. All of them return errors
// of this package and remember the first one in failed.
type session struct {
	bun.IDB
	dialect *Dialect
	pool    *pool
	tx      *sql.Tx // nil: no transaction
	commits func() error
	cancel  context.CancelFunc
	span    trace.Span // of the transaction; nil: it is not traced

	// failed is the first error after which the transaction cannot be committed.
	failed error

	unprepared []string // hot statements to prepare after the transaction
}

// begin starts a transaction. The context limits the wait for a connection, BEGIN, and each statement. It does not end
// the transaction, so that no COMMIT is interrupted.
func (d *Dialect) begin(ctx context.Context, p *pool, options *sql.TxOptions) (*session, error) {
	t := tracer{d}
	ctx, span := t.start(ctx, "transaction")
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	tx, err := p.BeginTx(inner, options)
	if !stop() && err == nil {
		err = errors.Join(ctx.Err(), tx.Tx.Rollback())
	}
	if err != nil {
		cancel()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		t.end(span, err)
		return nil, d.translate(err)
	}
	return &session{IDB: tx, dialect: d, pool: p, tx: tx.Tx, commits: tx.Commit, cancel: cancel, span: span}, nil
}

func (s *session) commit() error {
	defer s.end()
	defer time.AfterFunc(endTimeout, s.cancel).Stop()
	return s.dialect.translate(s.commits())
}

// rollback ends the transaction if commit has not ended it. It ignores errors, because the server rolls back in any
// case.
func (s *session) rollback() {
	if s.tx == nil {
		return
	}
	defer s.end()
	defer time.AfterFunc(endTimeout, s.cancel).Stop()
	_ = s.tx.Rollback()
}

func (s *session) end() {
	s.cancel()
	tracer{s.dialect}.end(s.span, s.failed)
	s.tx, s.span = nil, nil
	for _, text := range s.unprepared {
		s.pool.prepare(context.Background(), text)
	}
	s.unprepared = nil
}

// A scanner is a query of bun that returns rows.
type scanner interface {
	Scan(ctx context.Context, dest ...any) error
}

// An execer is a statement of bun that changes rows.
type execer interface {
	Exec(ctx context.Context, dest ...any) (sql.Result, error)
}

// find runs a query, scans its rows into its model or dest, and reports whether there was a row. A model that is a
// slice is found even if it has no rows.
func (s *session) find(ctx context.Context, query scanner, dest ...any) (bool, error) {
	if s.failed != nil {
		return false, s.failed
	}
	switch err := query.Scan(s.traced(ctx), dest...); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, s.fail(ctx, err)
	}
	return true, nil
}

// findAll runs a query and converts its rows.
func findAll[R, T any](
	ctx context.Context, s *session, query *bun.SelectQuery, convert func(*R) (T, error),
) (list []T, err error) {
	var rows []R
	if _, err := s.find(ctx, query.Model(&rows)); err != nil {
		return nil, err
	}
	for i := range rows {
		value, err := convert(&rows[i])
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}

// findOne runs a query that returns at most one row, and converts it. It returns missing if there is no row.
func findOne[R, T any](
	ctx context.Context, s *session, query *bun.SelectQuery, convert func(*R) (T, error), missing error,
) (value T, err error) {
	var row R
	switch found, err := s.find(ctx, query.Model(&row)); {
	case err != nil:
		return value, err
	case !found:
		return value, missing
	}
	return convert(&row)
}

// change runs a statement and returns the number of rows that it changed.
func (s *session) change(ctx context.Context, query execer) (int64, error) {
	if s.failed != nil {
		return 0, s.failed
	}
	result, err := query.Exec(s.traced(ctx))
	if err != nil {
		return 0, s.fail(ctx, err)
	}
	changed, err := result.RowsAffected()
	if err != nil {
		return 0, s.fail(ctx, err)
	}
	return changed, nil
}

// script runs a text of one or more statements.
func (s *session) script(ctx context.Context, text string) error {
	if _, err := s.tx.ExecContext(ctx, text, s.dialect.Script...); err != nil {
		return s.fail(ctx, err)
	}
	return nil
}

// traced returns a context whose span is that of the transaction.
func (s *session) traced(ctx context.Context) context.Context {
	if s.span == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, s.span)
}

// fail translates an error of the driver. A transaction cannot be committed afterwards.
func (s *session) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	err = s.dialect.translate(err)
	if s.failed == nil {
		s.failed = err
	}
	return err
}

// translate returns the error of this package for an error of the driver. No other function does so.
func (d *Dialect) translate(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	switch class := d.Classify(err); class {
	case Conflict, Unavailable:
		return &unavailableError{class: class, cause: err}
	default:
		return fmt.Errorf("store: %w", err)
	}
}

// An unavailableError is an ErrUnavailable. The transaction can be repeated, unless COMMIT returned it with the class
// Unavailable.
type unavailableError struct {
	class ErrorClass
	cause error
}

func (e *unavailableError) Error() string {
	return fmt.Sprintf("%v: %v", expense.ErrUnavailable, e.cause)
}

func (e *unavailableError) Unwrap() []error { return []error{expense.ErrUnavailable, e.cause} }
