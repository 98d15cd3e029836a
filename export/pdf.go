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

// MaxReport is how many expenses a PDF report holds at most.
const MaxReport = 20_000

// A ReportReader is what a PDF report reads of one owner's ledger.
type ReportReader interface {
	report.Reader

	// Expenses is that of [expense.Reader].
	Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error]
}

// ReportOptions say whose report it is, and when it is made.
type ReportOptions struct {
	Who string    // such as an e-mail address
	Now time.Time // the time that the report names as its own
}

// A Report is all that a PDF report shows. It holds nothing of the store, so it is written when the snapshot is gone.
type Report struct {
	report.Summary

	opts     ReportOptions
	trend    report.TrendReport
	expenses map[uuid.UUID][]expense.Expense // by category, oldest first
}

// ReadReport reads the expenses that summary sums up, and their line by day or month; they agree when all comes of one View. More
// than [MaxReport] are ErrInvalid.
func ReadReport(ctx context.Context, r ReportReader, summary report.Summary, opts ReportOptions) (*Report, error) {
	if summary.Sum.Count > MaxReport {
		return nil, &expense.InvalidError{Code: "too_many_expenses", Detail: fmt.Sprintf(
			"a PDF holds at most %d expenses, and these days have %d: narrow the range, or take the CSV export", MaxReport, summary.Sum.Count)}
	}
	trend, err := report.Trend(ctx, r, report.TrendQuery{Dates: summary.Dates, Granularity: reportStep(summary.Dates)})
	if err != nil {
		return nil, err
	}
	rep := &Report{trend: trend, Summary: summary, opts: opts, expenses: map[uuid.UUID][]expense.Expense{}}
	for e, err := range r.Expenses(ctx, expense.Query{Filter: expense.Filter{Dates: summary.Dates}, Sort: expense.OldestFirst}) {
		if err != nil {
			return nil, fmt.Errorf("expenses from %s to %s: %w", summary.Dates.From, summary.Dates.To, err)
		}
		rep.expenses[e.CategoryID] = append(rep.expenses[e.CategoryID], e)
	}
	return rep, nil
}

// WritePDF writes the report as a PDF of A4 pages: a front page with the totals, every expense by category, and the sources of the rates.
// Nothing is written if it cannot be made.
func (r *Report) WritePDF(w io.Writer) error {
	file, err := r.render()
	if err != nil {
		return fmt.Errorf("make the PDF: %w", err)
	}
	if _, err := w.Write(file); err != nil {
		return fmt.Errorf("write the PDF: %w", err)
	}
	return nil
}

// render makes the file. The engine panics on what it does not like; that is an error here.
func (r *Report) render() (file []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the engine panicked: %v", cause)
		}
	}()
	pages := newPaper(r)
	if err := pages.front(); err != nil {
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
		WithPageNumber(props.PageNumber{Pattern: "Page {current} of {total}", Place: props.RightBottom, Family: latinFamily, Size: 7, Color: grey}).
		WithSequentialMode().
		WithCompression(true).
		WithTitle(r.title(), true).WithAuthor(metadata(r.opts.Who), true).WithCreator("SpendWise", true).
		WithSubject("Expenses in "+r.Settings.Home.Code(), true).
		WithCreationDate(r.opts.Now.UTC()).
		Build()
}

func (r *Report) title() string {
	return fmt.Sprintf("Expenses from %s to %s", r.Dates.From, r.Dates.To)
}

// finishFile sets what the engine cannot: the document's language, and the time of its last change, which is that of its making.
// The catalogue is the last object before the table of places, so only the table itself moves.
func finishFile(file []byte, now time.Time) ([]byte, error) {
	const catalogue, lang, changed, start = "/Type /Catalog\n", "/Lang (en)\n", "/ModDate (D:", "startxref\n"
	// The language of a document came with version 1.4 of the format.
	if _, found := bytes.CutPrefix(file, []byte("%PDF-1.3")); found {
		copy(file, "%PDF-1.4")
	}
	at, times, places := bytes.LastIndex(file, []byte(catalogue)), bytes.LastIndex(file, []byte(changed)), bytes.LastIndex(file, []byte(start))
	if at < 0 || times < 0 || places < at {
		return nil, errors.New("the engine's file has no catalogue where it is expected")
	}
	copy(file[times+len(changed):], now.UTC().Format("20060102150405"))
	number, _, _ := bytes.Cut(file[places+len(start):], []byte("\n"))
	place, err := strconv.Atoi(string(number))
	if err != nil {
		return nil, fmt.Errorf("the place of the engine's table: %w", err)
	}
	at += len(catalogue)
	finished := make([]byte, 0, len(file)+len(lang)+8)
	finished = append(append(append(finished, file[:at]...), lang...), file[at:places+len(start)]...)
	finished = strconv.AppendInt(finished, int64(place+len(lang)), 10)
	return append(finished, file[places+len(start)+len(number):]...), nil
}

// metadata returns a text as the engine can take it for the document's properties, where no font matters.
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

// latinDigits returns the locale with the digits that a report's fonts have.
func latinDigits(locale string) string {
	tag, err := language.Make(locale).SetTypeForKey("nu", "latn")
	if err != nil {
		return "en"
	}
	return tag.String()
}

// Name returns a name for the report's file, without an ending.
func (r *Report) Name() string { return fmt.Sprintf("expenses-%s-%s", r.Dates.From, r.Dates.To) }
