package sqldb

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

// A Pool is a database with the hot statements that are prepared on it.
type Pool struct {
	*bun.DB
	prepared sync.Map // text → *sql.Stmt
}

// A Session runs statements: each on a connection of the pool, or all in one transaction. Queries that are built with
// its methods of [bun.IDB] run with Find and Change, hot statements with Each, One and Exec. All of them return errors
// of this package and keep the first one in Failed.
type Session struct {
	bun.IDB
	dialect *Dialect
	pool    *Pool
	tx      *sql.Tx // nil: no transaction
	commits func() error
	cancel  context.CancelFunc
	span    trace.Span // of the transaction; nil: it is not traced

	// Failed is the first error after which the transaction cannot be committed.
	Failed error

	unprepared []string // hot statements to prepare after the transaction
}

// begin starts a transaction. The context limits the wait for a connection, BEGIN, and each statement. It does not end
// the transaction, so that no COMMIT is interrupted.
func (d *Dialect) begin(ctx context.Context, p *Pool, options *sql.TxOptions) (*Session, error) {
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
	return &Session{IDB: tx, dialect: d, pool: p, tx: tx.Tx, commits: tx.Commit, cancel: cancel, span: span}, nil
}

// Commit ends the transaction.
func (s *Session) Commit() error {
	defer s.end()
	defer time.AfterFunc(endTimeout, s.cancel).Stop()
	return s.dialect.translate(s.commits())
}

// Rollback ends the transaction if commit has not ended it. It ignores errors, because the server rolls back in any
// case.
func (s *Session) Rollback() {
	if s.tx == nil {
		return
	}
	defer s.end()
	defer time.AfterFunc(endTimeout, s.cancel).Stop()
	_ = s.tx.Rollback()
}

func (s *Session) end() {
	s.cancel()
	tracer{s.dialect}.end(s.span, s.Failed)
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

// An Execer is a statement of bun that changes rows.
type Execer interface {
	Exec(ctx context.Context, dest ...any) (sql.Result, error)
}

// Find runs a query, scans its rows into its model or dest, and reports whether there was a row. A model that is a
// slice is found even if it has no rows.
func (s *Session) Find(ctx context.Context, query scanner, dest ...any) (bool, error) {
	if s.Failed != nil {
		return false, s.Failed
	}
	switch err := query.Scan(s.traced(ctx), dest...); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, s.Fail(ctx, err)
	}
	return true, nil
}

// FindAll runs a query and converts its rows.
func FindAll[R, T any](
	ctx context.Context, s *Session, query *bun.SelectQuery, convert func(*R) (T, error),
) (list []T, err error) {
	var rows []R
	if _, err := s.Find(ctx, query.Model(&rows)); err != nil {
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

// FindOne runs a query that returns at most one row, and converts it. It returns missing if there is no row.
func FindOne[R, T any](
	ctx context.Context, s *Session, query *bun.SelectQuery, convert func(*R) (T, error), missing error,
) (value T, err error) {
	var row R
	switch found, err := s.Find(ctx, query.Model(&row)); {
	case err != nil:
		return value, err
	case !found:
		return value, missing
	}
	return convert(&row)
}

// Change runs a statement and returns the number of rows that it changed.
func (s *Session) Change(ctx context.Context, query Execer) (int64, error) {
	if s.Failed != nil {
		return 0, s.Failed
	}
	result, err := query.Exec(s.traced(ctx))
	if err != nil {
		return 0, s.Fail(ctx, err)
	}
	changed, err := result.RowsAffected()
	if err != nil {
		return 0, s.Fail(ctx, err)
	}
	return changed, nil
}

// script runs a text of one or more statements.
func (s *Session) script(ctx context.Context, text string) error {
	if _, err := s.tx.ExecContext(ctx, text, s.dialect.Script...); err != nil {
		return s.Fail(ctx, err)
	}
	return nil
}

// traced returns a context whose span is that of the transaction.
func (s *Session) traced(ctx context.Context) context.Context {
	if s.span == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, s.span)
}

// Fail translates an error of the driver. A transaction cannot be committed afterwards.
func (s *Session) Fail(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	err = s.dialect.translate(err)
	if s.Failed == nil {
		s.Failed = err
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

// A unavailableError is an ErrUnavailable. The transaction can be repeated, unless COMMIT returned it with the class
// Unavailable.
type unavailableError struct {
	class ErrorClass
	cause error
}

func (e *unavailableError) Error() string {
	return fmt.Sprintf("%v: %v", expense.ErrUnavailable, e.cause)
}

func (e *unavailableError) Unwrap() []error { return []error{expense.ErrUnavailable, e.cause} }
