package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/johnfercher/maroto/v2"
	"github.com/johnfercher/maroto/v2/pkg/config"
	"github.com/johnfercher/maroto/v2/pkg/consts/fontstyle"
	"github.com/johnfercher/maroto/v2/pkg/core/entity"
	"github.com/johnfercher/maroto/v2/pkg/props"
	"golang.org/x/text/language"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
)

// MaxReportExpenses is the maximum number of expenses in a PDF report.
const MaxReportExpenses = 20_000

// ReportReader reads one ledger for ReadReport. Every store.Reader implements it.
type ReportReader interface {
	report.Reader

	// Expenses is the method of [expense.Reader].
	Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error]
}

// ReportOptions are the options of [ReadReport].
type ReportOptions struct {
	Owner string    // the owner's name as the report shows it, such as an email address
	Now   time.Time // the creation time that the report shows
}

// Report is the content of a PDF report. It does not refer to the store, so it can be written after the snapshot has
// ended.
type Report struct {
	report.Summary

	opts     ReportOptions
	trend    report.TrendReport
	expenses map[uuid.UUID][]expense.Expense // by category, oldest first
}

// ReadReport reads the expenses of the summary's period, and their trend by day or month. Pass the Reader of the View
// that the summary was read in, so that all figures agree. It returns ErrInvalid if there are more than
// [MaxReportExpenses] expenses.
func ReadReport(ctx context.Context, r ReportReader, summary report.Summary, opts ReportOptions) (*Report, error) {
	if summary.Sum.Count > MaxReportExpenses {
		return nil, &expense.InvalidError{Code: "too_many_expenses", Detail: fmt.Sprintf(
			"the period has %d expenses; a PDF report holds at most %d: choose a shorter period, or use the CSV export",
			summary.Sum.Count, MaxReportExpenses)}
	}
	dates := summary.Dates
	trend, err := report.Trend(ctx, r, report.TrendQuery{Dates: dates, Granularity: reportGranularity(dates)})
	if err != nil {
		return nil, err
	}
	rep := &Report{trend: trend, Summary: summary, opts: opts, expenses: map[uuid.UUID][]expense.Expense{}}
	query := expense.Query{Filter: expense.Filter{Dates: dates}, Sort: expense.OldestFirst}
	for e, err := range r.Expenses(ctx, query) {
		if err != nil {
			return nil, fmt.Errorf("read the expenses from %s to %s: %w", dates.From, dates.To, err)
		}
		rep.expenses[e.CategoryID] = append(rep.expenses[e.CategoryID], e)
	}
	return rep, nil
}

// WritePDF writes the report as a PDF with A4 pages in landscape format: a front page with charts and totals, all
// expenses by category, and the sources of the exchange rates. It writes nothing if the PDF cannot be rendered.
func (r *Report) WritePDF(w io.Writer) error {
	file, err := r.render()
	if err != nil {
		return fmt.Errorf("render the PDF: %w", err)
	}
	if _, err := w.Write(file); err != nil {
		return fmt.Errorf("write the PDF: %w", err)
	}
	return nil
}

// render returns the PDF file. It converts a panic of the PDF library into an error.
func (r *Report) render() (file []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the PDF library panicked: %v", cause)
		}
	}()
	pages := newComposer(r)
	if err := pages.frontPage(); err != nil {
		return nil, err
	}
	pages.list()
	pages.sources()
	pages.notes()
	engine := maroto.New(r.config(pages.text.cjk))
	engine.AddPages(pages.finish()...)
	document, err := engine.Generate()
	if err != nil {
		return nil, err
	}
	return finishFile(document.GetBytes(), r.opts.Now)
}

const (
	pageWidth, pageHeight             = 297, 210 // A4, landscape, in mm
	marginLeft, marginTop, marginFoot = 10, 10, 14
	textWidth                         = pageWidth - 2*marginLeft
	textHeight                        = pageHeight - marginTop - marginFoot
)

func (r *Report) config(cjk bool) *entity.Config {
	fonts := []*entity.CustomFont{
		{Family: latinFamily, Style: fontstyle.Normal, Bytes: regularFace().file},
		{Family: latinFamily, Style: fontstyle.Bold, Bytes: boldFace().file},
	}
	if cjk {
		fonts = append(fonts, &entity.CustomFont{Family: cjkFamily, Style: fontstyle.Normal, Bytes: cjkFace().file})
	}
	return config.NewBuilder().
		WithDimensions(pageWidth, pageHeight).
		WithLeftMargin(marginLeft).WithRightMargin(marginLeft).WithTopMargin(marginTop).WithBottomMargin(marginFoot).
		WithCustomFonts(fonts).
		WithDefaultFont(&props.Font{Family: latinFamily, Size: 8}).
		WithPageNumber(props.PageNumber{
			Pattern: "Page {current} of {total}", Place: props.RightBottom, Family: latinFamily, Size: 7, Color: grey,
		}).
		WithSequentialMode().
		WithCompression(true).
		WithTitle(r.title(), true).WithAuthor(metadata(r.opts.Owner), true).WithCreator("SpendWise", true).
		WithSubject("Expenses in "+r.Settings.Home.Code(), true).
		WithCreationDate(r.opts.Now.UTC()).
		Build()
}

func (r *Report) title() string {
	return fmt.Sprintf("Expenses from %s to %s", r.Dates.From, r.Dates.To)
}

// finishFile sets two properties that the PDF library cannot set: the language of the document, and its modification
// time, which is its creation time. The catalogue is the last object before the cross-reference table, so only the
// table's offset changes.
func finishFile(file []byte, now time.Time) ([]byte, error) {
	const catalogue, lang, modified, xref = "/Type /Catalog\n", "/Lang (en)\n", "/ModDate (D:", "startxref\n"
	// PDF 1.4 introduced the language of a document.
	if _, found := bytes.CutPrefix(file, []byte("%PDF-1.3")); found {
		copy(file, "%PDF-1.4")
	}
	catalogueAt, modifiedAt := bytes.LastIndex(file, []byte(catalogue)), bytes.LastIndex(file, []byte(modified))
	xrefAt := bytes.LastIndex(file, []byte(xref))
	if catalogueAt < 0 || modifiedAt < 0 || xrefAt < catalogueAt {
		return nil, errors.New("the PDF has no catalogue before its cross-reference table")
	}
	copy(file[modifiedAt+len(modified):], now.UTC().Format("20060102150405"))
	xrefAt += len(xref)
	number, _, _ := bytes.Cut(file[xrefAt:], []byte("\n"))
	offset, err := strconv.Atoi(string(number))
	if err != nil {
		return nil, fmt.Errorf("the offset of the cross-reference table: %w", err)
	}
	catalogueAt += len(catalogue)
	finished := make([]byte, 0, len(file)+len(lang)+8)
	finished = append(append(append(finished, file[:catalogueAt]...), lang...), file[catalogueAt:xrefAt]...)
	finished = strconv.AppendInt(finished, int64(offset+len(lang)), 10)
	return append(finished, file[xrefAt+len(number):]...), nil
}

// metadata returns a text for the properties of the document. The PDF library does not accept characters beyond U+FFFF
// there.
func metadata(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r):
			return ' '
		case r > '\uffff':
			return missingGlyph
		}
		return r
	}, composed(text))
}

// latinDigits returns the locale with Latin digits, because the fonts of a report have no others.
func latinDigits(locale string) string {
	tag, err := language.Make(locale).SetTypeForKey("nu", "latn")
	if err != nil {
		return "en"
	}
	return tag.String()
}

// Name returns a file name for the report without an extension.
func (r *Report) Name() string { return fmt.Sprintf("expenses-%s-%s", r.Dates.From, r.Dates.To) }
