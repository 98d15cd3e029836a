package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/spendwise/spendwise/expense"
)

// endTimeout bounds a COMMIT or ROLLBACK, which the caller's context does not cut short.
const endTimeout = 30 * time.Second

// A pool is a database and the statements prepared on it.
type pool struct {
	db       *sql.DB
	prepared sync.Map // text → *sql.Stmt
}

// prepare keeps a statement prepared for the next time. Where the engine refuses, the text is sent as it is each time,
// and its error, if it has one, shows there.
func (p *pool) prepare(ctx context.Context, text string) {
	if _, ok := p.prepared.Load(text); ok {
		return
	}
	stmt, err := p.db.PrepareContext(ctx, text)
	if err != nil {
		return
	}
	if _, loaded := p.prepared.LoadOrStore(text, stmt); loaded {
		_ = stmt.Close() //nolint:sqlclosecheck // the twin stays, so this one goes; it was never run and holds nothing.
	}
}

// A session runs statements: each by itself on a pool, or all in one transaction.
type session struct {
	dialect *Dialect
	pool    *pool
	tx      *sql.Tx // nil: no transaction
	cancel  context.CancelFunc
	// texts to prepare when the transaction is over, which a pool of one connection cannot do earlier
	missing []string
	again   map[string]*sql.Stmt // those that the transaction has sent more than once, prepared for itself; it closes them
	span    trace.Span           // of the transaction; nil: none is recorded
	doomed  error                // the first error that no later statement makes good
}

// begin starts a transaction. The caller's context bounds the wait for a connection and BEGIN, and each statement; it
// does not end the transaction by itself, so that a rollback is always ours and a commit is never cut off half-way.
func (d *Dialect) begin(ctx context.Context, p *pool, options *sql.TxOptions) (*session, error) {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	ctx, span := d.span(ctx, "transaction")
	_, wait := d.span(ctx, "BEGIN") // the time for which a connection is waited for, too
	tx, err := p.db.BeginTx(inner, options)
	d.ended(wait, err)
	if !stop() && err == nil {
		err = errors.Join(ctx.Err(), tx.Rollback())
	}
	if err != nil {
		cancel()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		d.ended(span, err)
		return nil, d.translate(err)
	}
	return &session{dialect: d, pool: p, tx: tx, cancel: cancel, span: span}, nil
}

func (s *session) commit() error {
	defer s.end()
	defer time.AfterFunc(endTimeout, s.cancel).Stop()
	_, span := s.statement(context.Background(), "COMMIT")
	err := s.tx.Commit()
	s.dialect.ended(span, err)
	return s.dialect.translate(err)
}

// rollback ends the transaction if commit has not. Its error is of no use: the server forgets the transaction either
// way.
func (s *session) rollback() {
	if s.tx == nil {
		return
	}
	defer s.end()
	defer time.AfterFunc(endTimeout, s.cancel).Stop()
	_, span := s.statement(context.Background(), "ROLLBACK")
	err := s.tx.Rollback()
	s.dialect.ended(span, err)
}

func (s *session) end() {
	s.cancel()
	s.dialect.ended(s.span, s.doomed)
	s.tx, s.again, s.span = nil, nil, nil
	for _, text := range s.missing {
		s.pool.prepare(context.Background(), text)
	}
	s.missing = nil
}

// fail translates an error of the driver; inside a transaction it dooms it.
func (s *session) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	err = s.dialect.translate(err)
	if s.doomed == nil {
		s.doomed = err
	}
	return err
}

// stmt returns the prepared form of text, or nil if it is to be sent as it is.
func (s *session) stmt(ctx context.Context, text string) *sql.Stmt {
	if !s.dialect.Prepare {
		return nil
	}
	kept, ok := s.pool.prepared.Load(text)
	if !ok && s.tx != nil {
		return s.stmtAgain(ctx, text)
	}
	if !ok {
		s.pool.prepare(ctx, text)
		if kept, ok = s.pool.prepared.Load(text); !ok {
			return nil
		}
	}
	if s.tx != nil {
		return s.tx.StmtContext(ctx, kept.(*sql.Stmt))
	}
	return kept.(*sql.Stmt)
}

// stmtAgain returns the form of text that the transaction prepared for itself, which it does the second time it sends
// it: a large batch is many times the same long text. Nil the first time.
func (s *session) stmtAgain(ctx context.Context, text string) *sql.Stmt {
	if stmt, ok := s.again[text]; ok {
		return stmt
	}
	if !slices.Contains(s.missing, text) {
		s.missing = append(s.missing, text)
		return nil
	}
	stmt, err := s.tx.PrepareContext(ctx, text)
	if err != nil {
		return nil // the text is sent as it is, and its error, if it has one, shows there
	}
	if s.again == nil {
		s.again = map[string]*sql.Stmt{}
	}
	s.again[text] = stmt
	return stmt
}

// exec runs a statement whose text is one of few, and returns how many rows it changed.
func (s *session) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if s.doomed != nil {
		return 0, s.doomed
	}
	ctx, span := s.statement(ctx, text)
	changed, err := s.execute(ctx, text, args)
	s.dialect.ended(span, err)
	if err != nil {
		return 0, s.fail(ctx, err)
	}
	return changed, nil
}

func (s *session) execute(ctx context.Context, text string, args []any) (int64, error) {
	var result sql.Result
	var err error
	switch stmt := s.stmt(ctx, text); { //nolint:sqlclosecheck // it stays prepared until the pool closes.
	case stmt != nil:
		result, err = stmt.ExecContext(ctx, args...)
	case s.tx != nil:
		result, err = s.tx.ExecContext(ctx, text, s.dialect.lead(args)...)
	default:
		result, err = s.pool.db.ExecContext(ctx, text, s.dialect.lead(args)...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// each runs a query whose text is one of few, and calls scan for each row of width cells. The rows are closed when it
// returns.
func (s *session) each(ctx context.Context, width int, scan func(*row), text string, args ...any) error {
	if s.doomed != nil {
		return s.doomed
	}
	ctx, span := s.statement(ctx, text)
	if stmt := s.stmt(ctx, text); stmt != nil { //nolint:sqlclosecheck // as above
		rows, err := stmt.QueryContext(ctx, args...)
		return s.scan(ctx, rows, err, width, scan, span)
	}
	return s.once(ctx, width, scan, text, args, span)
}

// eachOnce is each for a text that is not worth keeping prepared.
func (s *session) eachOnce(ctx context.Context, width int, scan func(*row), text string, args ...any) error {
	if s.doomed != nil {
		return s.doomed
	}
	ctx, span := s.statement(ctx, text)
	return s.once(ctx, width, scan, text, args, span)
}

func (s *session) once(
	ctx context.Context, width int, scan func(*row), text string, args []any, span trace.Span,
) error {
	if s.tx != nil {
		rows, err := s.tx.QueryContext(ctx, text, s.dialect.lead(args)...)
		return s.scan(ctx, rows, err, width, scan, span)
	}
	rows, err := s.pool.db.QueryContext(ctx, text, s.dialect.lead(args)...)
	return s.scan(ctx, rows, err, width, scan, span)
}

// scan reads the rows of a query to their end, which is that of its span too.
func (s *session) scan(
	ctx context.Context, rows *sql.Rows, err error, width int, scan func(*row), span trace.Span,
) (failed error) {
	defer func() { s.dialect.ended(span, failed) }()
	if err != nil {
		return s.fail(ctx, err)
	}
	defer rows.Close() //nolint:errcheck // the errors of a query are those of rows.Err below.
	r := newRow(width)
	for rows.Next() {
		if err := rows.Scan(r.targets...); err != nil {
			return s.fail(ctx, err)
		}
		scan(r)
		if r.err != nil {
			return s.fail(ctx, r.err)
		}
	}
	if err := rows.Err(); err != nil {
		return s.fail(ctx, err)
	}
	return nil
}

// one runs a query that yields at most one row, and reports whether it did.
func (s *session) one(ctx context.Context, width int, scan func(*row), text string, args ...any) (bool, error) {
	found := false
	err := s.each(ctx, width, func(r *row) { found = true; scan(r) }, text, args...)
	return found, err
}

func (d *Dialect) lead(args []any) []any {
	if len(d.Leading) == 0 {
		return args
	}
	all := make([]any, 0, len(d.Leading)+len(args))
	return append(append(all, d.Leading...), args...)
}

// translate turns an error of the driver into one of ours, its cause kept. It is the only place that does.
func (d *Dialect) translate(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	switch trouble := d.Classify(err); trouble {
	case Conflict, Unavailable:
		return &troubleError{trouble: trouble, cause: err}
	default:
		return fmt.Errorf("store: %w", err)
	}
}

// A troubleError is an ErrUnavailable that knows whether the same transaction may simply be run again.
type troubleError struct {
	trouble Trouble
	cause   error
}

func (e *troubleError) Error() string { return fmt.Sprintf("%v: %v", expense.ErrUnavailable, e.cause) }

func (e *troubleError) Unwrap() []error { return []error{expense.ErrUnavailable, e.cause} }
