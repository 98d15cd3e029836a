package httpapi

import (
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/replica"
)

// syncPage is the response to a pull.
type syncPage struct {
	Changes []changeBody `json:"changes"`
	Cursor  string       `json:"cursor"`
	HasMore bool         `json:"has_more"`
}

// changeBody is one row of a syncPage in its latest state.
type changeBody struct {
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	Version    expense.Version `json:"version"`
	Deleted    bool            `json:"deleted"`
	MergedInto *string         `json:"merged_into,omitzero"`
	Data       any             `json:"data"`
}

func newChangeBody(change store.Change) changeBody {
	row := replica.RowRef{Type: change.Type, ID: change.ID}
	body := changeBody{
		Type: change.Type.String(), ID: row.TextID(), Version: change.Version, Deleted: change.Deleted,
		Data: rowBody(change.Row),
	}
	if change.MergedInto != uuid.Nil {
		body.MergedInto = new(change.MergedInto.String())
	}
	return body
}

// rowBody returns the JSON form of a row, as in the responses of its resource. It returns nil for nil.
func rowBody(row any) any {
	switch row := row.(type) {
	case expense.Expense:
		return wire.NewExpense(row)
	case expense.Category:
		return wire.NewCategory(row)
	case budget.Budget:
		return wire.NewBudget(row)
	case budget.Alert:
		return wire.NewAlert(row)
	case recurrence.Rule:
		return wire.NewRule(row)
	case expense.Settings:
		return wire.NewSettings(row)
	default:
		return nil
	}
}

// pull handles GET /v1/sync.
func (c *call) pull() error {
	p := c.params()
	req := replica.PullRequest{Limit: p.limit(replica.DefaultPageSize, replica.MaxPageSize)}
	if text, ok := p.given("cursor"); ok {
		var err error
		if req.After, err = replica.ParseCursor(c.owner, text); err != nil {
			e := errSyncCursor(text)
			e.Parameter = "cursor"
			c.errs.Add(e)
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	var page replica.Page
	err := c.withLedger(func() (err error) {
		page, err = replica.Pull(c.ctx, c.api.store, c.owner, req)
		return err
	})
	if err != nil {
		return err
	}
	body := syncPage{Changes: make([]changeBody, len(page.Changes)), Cursor: page.Cursor.String(), HasMore: page.HasMore}
	for i, change := range page.Changes {
		body.Changes[i] = newChangeBody(change)
	}
	return c.send(result{body: body})
}

// state returns the state of the caller's ledger. It creates the ledger if the caller has none.
func (c *call) state() (state store.State, err error) {
	err = c.withLedger(func() (err error) {
		state, err = c.api.store.Reader(c.owner).State(c.ctx)
		return err
	})
	return state, err
}

// digestBody is the response to GET /v1/sync/digest.
type digestBody struct {
	Version expense.Version       `json:"version"`
	Cursor  string                `json:"cursor"`
	Types   map[string]rowsDigest `json:"types"`
}

// rowsDigest is the digest of the rows of one type.
type rowsDigest struct {
	Count int    `json:"count"`
	Hash  string `json:"hash"`
}

// digest handles GET /v1/sync/digest.
func (c *call) digest() error {
	var digest replica.Digest
	err := c.withLedger(func() (err error) {
		digest, err = replica.ReadDigest(c.ctx, c.api.store, c.owner)
		return err
	})
	if err != nil {
		return err
	}
	body := digestBody{Version: digest.Version, Cursor: digest.Cursor.String(), Types: map[string]rowsDigest{}}
	for rowType, rows := range digest.Types {
		body.Types[rowType.String()] = rowsDigest(rows)
	}
	return c.send(result{body: body})
}
