package httpapi

import (
	"net/http"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/store"
)

// patience is how long a client may take for the next part of a stream, in either direction.
const patience = time.Minute

// exportCSV answers GET /v1/exports/expenses.csv: what the list's filters choose, oldest first, from one snapshot.
func (c *call) exportCSV() error {
	p := params{values: c.query}
	query := expense.Query{Filter: p.filter(), Sort: expense.OldestFirst}
	bom := p.boolean("bom")
	if err := p.err(); err != nil {
		return err
	}
	out := &attachment{c: c, media: "text/csv; charset=utf-8; header=present", name: "expenses.csv"}
	return c.view(func(r store.Reader) error {
		categories, err := r.Categories(c.ctx)
		if err != nil {
			return err
		}
		if len(categories) == 0 {
			return expense.ErrNotFound // a ledger has its default category at least, so there is none
		}
		return export.WriteCSV(out, r.Expenses(c.ctx, query), export.CSVOptions{
			BOM: bom != nil && *bom, CategoryName: export.CategoryNames(categories),
		})
	})
}

// An attachment is a file that is sent as it is made. Until its first byte an error can still be told; after it the connection
// is cut.
type attachment struct {
	c     *call
	media string
	name  string
	begun bool
}

// Write sends the next part of the file.
func (a *attachment) Write(part []byte) (int, error) {
	if !a.begun {
		a.begun = true
		header := a.c.Writer.Header()
		header.Set("Content-Type", a.media)
		header.Set("Content-Disposition", `attachment; filename="`+a.name+`"`)
		a.c.Writer.WriteHeader(http.StatusOK)
	}
	// A server whose connections have no deadlines says so; then there is none to move.
	_ = http.NewResponseController(a.c.Writer).SetWriteDeadline(time.Now().Add(patience))
	return a.c.Writer.Write(part)
}
