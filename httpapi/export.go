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
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
)

// exportCSV answers GET /v1/exports/expenses.csv: what the list's filters choose, oldest first, from one snapshot.
func (c *call) exportCSV() error {
	p := params{values: c.query}
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
			return expense.ErrNotFound // a ledger has its default category at least, so there is none
		}
		out.begin()
		return export.WriteCSV(w, r.Expenses(ctx, query), export.CSVOptions{
			BOM: bom != nil && *bom, CategoryName: export.CategoryNames(categories),
		})
	})
}

// exportNDJSON answers GET /v1/exports/expenses.ndjson: what the list's filters choose, oldest first, from one snapshot.
func (c *call) exportNDJSON() error {
	p := params{values: c.query}
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

// exportLedger answers GET /v1/exports/ledger.ndjson: the whole ledger from one snapshot, as a backup.
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

// pdfsAtOnce is how many PDF reports are made at the same time: each holds all of its pages in memory.
const pdfsAtOnce = 2

// reportPDF answers GET /v1/exports/report.pdf: a year by the ledger's fiscal year, or any days.
func (c *call) reportPDF() error {
	p := params{values: c.query}
	year, dates := p.year("year"), p.span("date_from", "date_to")
	place := "date_from"
	switch _, byYear := p.given("year"); {
	case byYear && dates != (expense.Range{}):
		p.fail("year", "ambiguous", "Give year, or date_from and date_to, not both.")
	case byYear:
		place = "year"
	case len(p.faults) == 0 && dates == (expense.Range{}):
		p.fail("year", "required", "Say which days: year, or date_from and date_to.")
	}
	if err := p.err(); err != nil {
		return err
	}
	leave, err := c.enterPDF()
	if err != nil {
		return err
	}
	defer leave()
	who, err := c.who()
	if err != nil {
		return err
	}
	var made *export.Report
	err = c.report(&p, func(r store.Reader, now time.Time) error {
		summary, err := readSummary(c.ctx, r, now, year, dates)
		if err != nil {
			return err
		}
		made, err = export.ReadReport(c.ctx, r, summary, export.ReportOptions{Who: who, Now: now})
		var fault *expense.InvalidError
		if errors.As(err, &fault) && fault.Field == "" {
			return &expense.InvalidError{Field: place, Code: fault.Code, Detail: fault.Detail}
		}
		return err
	})
	if err != nil {
		return err
	}
	var file bytes.Buffer
	if err := made.WritePDF(&file); err != nil {
		return err
	}
	leave()
	c.Writer.Header().Set("Content-Length", strconv.Itoa(file.Len()))
	out := &attachment{c: c, media: "application/pdf", name: made.Name() + ".pdf"}
	_, err = out.Write(file.Bytes())
	return err
}

func readSummary(ctx context.Context, r store.Reader, now time.Time, year int, dates expense.Range) (report.Summary, error) {
	if year == 0 {
		ranged, err := report.Range(ctx, r, now, dates)
		return ranged.Summary, err
	}
	yearly, err := report.Yearly(ctx, r, now, year, 0)
	return yearly.Summary, err
}

// enterPDF waits for its turn to make a PDF, for half of the time that a request has. leave may be called more than once.
func (c *call) enterPDF() (leave func(), err error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.api.timeout/2)
	defer cancel()
	select {
	case c.api.pdfs <- struct{}{}:
		return sync.OnceFunc(func() { <-c.api.pdfs }), nil
	case <-ctx.Done():
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		return nil, newProblem(codeUnavailable, "Too many PDF reports are being made at the moment.")
	}
}

// who names the owner of the ledger on a report: by the e-mail address of a local account, else as the host does.
func (c *call) who() (string, error) {
	if c.api.accounts != nil {
		user, err := c.api.accounts.User(c.ctx, c.identity)
		if !errors.Is(err, expense.ErrNotFound) {
			return user.Email, err
		}
	}
	return string(c.owner), nil
}

// An attachment is a file that is sent as it is made. Until its first byte an error can still be told; after it the connection
// is cut.
type attachment struct {
	c     *call
	media string
	name  string
	begun bool
}

// begin sends the head of the answer at once, however long the first row takes to find.
func (a *attachment) begin() {
	a.head()
	a.c.Writer.Flush()
}

func (a *attachment) head() {
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
	a.head()
	ingress.SetDeadline(http.NewResponseController(a.c.Writer).SetWriteDeadline, ingress.PartTimeout)
	defer a.c.extendDeadline()
	return a.c.Writer.Write(part)
}
