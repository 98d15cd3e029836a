package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/export/backup"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/httpapi/internal/spool"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
)

// exportCSV handles GET /v1/exports/expenses.csv. It has the filters of the list of expenses and sends the oldest
// expense first.
func (c *call) exportCSV() error {
	p := c.params()
	query := expense.Query{Filter: p.filter(), Sort: expense.OldestFirst}
	bom := p.boolean("bom")
	if err := p.err(); err != nil {
		return err
	}
	out := &attachment{c: c, media: "text/csv; charset=utf-8; header=present", name: "expenses.csv"}
	return c.stream(out, func(ctx context.Context, w io.Writer, r store.Reader) error {
		categories, err := r.Categories(ctx)
		if err != nil {
			return err
		}
		if len(categories) == 0 {
			return expense.ErrNotFound // every ledger has its default category, so there is no ledger
		}
		out.begin()
		return export.WriteCSV(w, r.Expenses(ctx, query), export.CSVOptions{
			BOM: bom != nil && *bom, CategoryName: export.CategoryNames(categories),
		})
	})
}

// exportNDJSON handles GET /v1/exports/expenses.ndjson. It has the filters of the list of expenses and sends the oldest
// expense first.
func (c *call) exportNDJSON() error {
	p := c.params()
	query := expense.Query{Filter: p.filter(), Sort: expense.OldestFirst}
	if err := p.err(); err != nil {
		return err
	}
	out := &attachment{c: c, media: mediaNDJSON, name: "expenses.ndjson"}
	return c.stream(out, func(ctx context.Context, w io.Writer, r store.Reader) error {
		if _, err := r.Settings(ctx); err != nil {
			return err
		}
		out.begin()
		return export.WriteNDJSON(w, r.Expenses(ctx, query))
	})
}

// exportLedger handles GET /v1/exports/ledger.ndjson. It sends a backup of the whole ledger.
func (c *call) exportLedger() error {
	out := &attachment{c: c, media: mediaNDJSON, name: "ledger.ndjson"}
	return c.stream(out, func(ctx context.Context, w io.Writer, r store.Reader) error {
		if _, err := r.Settings(ctx); err != nil {
			return err
		}
		out.begin()
		return backup.Write(ctx, w, r, backup.WriteOptions{Now: c.now})
	})
}

const mediaNDJSON = "application/x-ndjson"

// maxConcurrentPDFs is how many PDF reports are rendered at the same time. Each holds all of its pages in memory.
const maxConcurrentPDFs = 2

// reportPDF handles GET /v1/exports/report.pdf: the report of a fiscal year or of any range of days.
func (c *call) reportPDF() error {
	p := c.params()
	year, dates := p.year("year"), p.dateRange(false)
	field := "date_from" // the parameter that the error for too many expenses names
	_, byYear := p.given("year")
	_, from := p.given("date_from")
	_, to := p.given("date_to")
	switch byDates := from || to; {
	case byYear && byDates:
		p.fail("year", "ambiguous", "The year %d is given besides a range; give either year, or date_from and date_to.", year)
	case byYear:
		field = "year"
	case !byDates:
		p.fail("year", "required", "The period is missing; give year, or date_from and date_to.")
	}
	if !c.errs.Empty() {
		if byYear == (from || to) || byYear && year == 0 {
			return p.err() // there is no period to check
		}
		return c.report(func(r store.Reader, now time.Time) error {
			_, err := readSummary(c.ctx, r, now, year, dates)
			return err
		})
	}
	release, err := c.acquirePDF()
	if err != nil {
		return err
	}
	defer release()
	owner, err := c.ownerName()
	if err != nil {
		return err
	}
	var pdf *export.Report
	err = c.report(func(r store.Reader, now time.Time) error {
		summary, err := readSummary(c.ctx, r, now, year, dates)
		if err != nil {
			return err
		}
		pdf, err = export.ReadReport(c.ctx, r, summary, export.ReportOptions{Owner: owner, Now: now})
		if invalid, ok := errors.AsType[*expense.InvalidError](err); ok && invalid.Field == "" {
			return &expense.InvalidError{Field: field, Code: invalid.Code, Detail: invalid.Detail}
		}
		return err
	})
	if err != nil {
		return err
	}
	var file bytes.Buffer
	if err := pdf.WritePDF(&file); err != nil {
		return err
	}
	release()
	c.Writer.Header().Set("Content-Length", strconv.Itoa(file.Len()))
	out := &attachment{c: c, media: "application/pdf", name: pdf.Name() + ".pdf"}
	_, err = out.Write(file.Bytes())
	return err
}

// readSummary reads the report of the fiscal year, or of the dates if year is 0.
func readSummary(
	ctx context.Context, r store.Reader, now time.Time, year int, dates expense.Range,
) (report.Summary, error) {
	if year == 0 {
		ranged, err := report.Range(ctx, r, now, dates)
		return ranged.Summary, err
	}
	yearly, err := report.Yearly(ctx, r, now, year, 0)
	return yearly.Summary, err
}

// acquirePDF waits until a PDF may be rendered, for at most half of the time that the request has. release may be
// called more than once.
func (c *call) acquirePDF() (release func(), err error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.api.timeout/2)
	defer cancel()
	select {
	case c.api.pdfs <- struct{}{}:
		return sync.OnceFunc(func() { <-c.api.pdfs }), nil
	case <-ctx.Done():
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		return nil, problem.New(problem.CodeUnavailable,
			"The server renders too many PDF reports at the moment; try again later.")
	}
}

// ownerName returns the owner's name for a report: the email address of a local account, else the owner id of the host.
func (c *call) ownerName() (string, error) {
	if c.api.accounts != nil {
		user, err := c.api.accounts.User(c.ctx, c.identity)
		if !errors.Is(err, expense.ErrNotFound) {
			return user.Email, err
		}
	}
	return string(c.owner), nil
}

// attachment is a file that is sent while it is produced. An error before the first byte becomes a problem response; an
// error after it aborts the connection.
type attachment struct {
	c     *call
	media string
	name  string
	begun bool // the header was sent
}

// begin sends the header now, so that the client need not wait for the first row.
func (a *attachment) begin() {
	a.sendHeader()
	a.c.Writer.Flush()
}

func (a *attachment) sendHeader() {
	if a.begun {
		return
	}
	a.begun = true
	header := a.c.Writer.Header()
	header.Set("Content-Type", a.media)
	header.Set("Content-Disposition", `attachment; filename="`+a.name+`"`)
	a.c.Writer.WriteHeader(http.StatusOK)
}

// Write sends the next part of the file.
func (a *attachment) Write(part []byte) (int, error) {
	a.sendHeader()
	ingress.SetDeadline(http.NewResponseController(a.c.Writer).SetWriteDeadline, ingress.PartTimeout)
	defer a.c.deadline.Extend()
	return a.c.Writer.Write(part)
}

// stream sends what write produces from one snapshot of the ledger, while write produces it. If the client disconnects,
// the context of write is cancelled. A slow client does not delay write.
func (c *call) stream(out *attachment, write func(ctx context.Context, w io.Writer, r store.Reader) error) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	s := spool.New(c.deadline.Extend)
	sent := make(chan error, 1)
	go func() {
		err := s.Drain(out)
		if err != nil {
			s.End(err)
			cancel()
		}
		sent <- err
	}()
	err := errors.New("the export was aborted") // the error if write panics
	finish := sync.OnceValue(func() error {
		s.End(err)
		err := <-sent // the first error of write and Drain: Drain ends with the error that was passed to End
		if failure := s.Discard(); failure != nil {
			c.api.log.WarnContext(c.ctx, "an export's file was not removed", "error", failure)
		}
		return err
	})
	defer finish() //nolint:errcheck // it is returned below.
	err = c.withLedger(func() error {
		return c.api.store.View(ctx, c.owner, func(r store.Reader) error { return write(ctx, s, r) })
	})
	if err := finish(); err == nil || c.Request.Context().Err() == nil {
		return err
	}
	return c.Request.Context().Err() // the client disconnected, which is not a failure of the server
}
