package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// largestChange is how many bytes the data of one mutation has at most. What the contract allows is far below.
const largestChange = 128 << 10

// wake tells Run that something was queued.
func (c *Client) wake() {
	select {
	case c.edited <- struct{}{}:
	default: // it knows
	}
}

// queue makes a change durable and returns the row as it is shown from now on; nil for a deletion.
func (c *Client) queue(ctx context.Context, m Mutation, data any) (json.RawMessage, error) {
	var text json.RawMessage
	err := c.storage.Update(ctx, func(tx Tx) (err error) {
		text, err = c.enqueue(ctx, tx, m, data)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.wake()
	return text, nil
}

// enqueue is queue within an Update. The mutation's base is what is known of the row: the version that the feed told, or the
// device's own last change of it.
func (c *Client) enqueue(ctx context.Context, tx Tx, m Mutation, data any) (json.RawMessage, error) {
	row, err := tx.Row(ctx, m.Key)
	if err != nil && !errors.Is(err, expense.ErrNotFound) {
		return nil, err
	}
	before, err := tx.Mutations(ctx, MutationQuery{Key: m.Key, States: pendingStates()})
	if err != nil {
		return nil, err
	}
	if m.BaseRow, err = overlay(row, before); err != nil {
		return nil, err
	}
	deleted := len(before) > 0 && before[len(before)-1].Op == Delete
	switch {
	case m.Op == Put && deleted:
		return nil, fmt.Errorf("%s %s: its id is not used again: %w", m.Key.Type, m.Key.ID, expense.ErrGone)
	case m.Op != Put && m.BaseRow == nil:
		return nil, fmt.Errorf("%s %s: %w", m.Key.Type, m.Key.ID, expense.ErrNotFound)
	}
	if m.Op != Delete {
		if m.Data, err = c.encode(ctx, tx, m, data); err != nil {
			return nil, err
		}
		// A deletion wins whatever it is based on.
		m.BaseVersion, m.BaseMutation = baseOf(row, before)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	m.ID, m.State, m.CreatedAt = id.String(), Queued, c.now()
	if _, err := getValue(ctx, tx, seqValue, &m.Seq); err != nil {
		return nil, err
	}
	m.Seq++
	if err := errors.Join(putValue(ctx, tx, seqValue, m.Seq), tx.PutMutations(ctx, m)); err != nil {
		return nil, err
	}
	text, err := overlay(row, append(before, m))
	if err != nil {
		return nil, err
	}
	return finish(ctx, tx, m.Key, text, true)
}

func pendingStates() []State { return []State{Queued, Sent, Acknowledged} }

// baseOf returns upon what a change is made of a row that has these mutations: a version that was shown, or one's own change that
// has no answer yet.
func baseOf(row Row, before []Mutation) (version expense.Version, mutation string) {
	if len(before) == 0 {
		return row.Version, ""
	}
	last := before[len(before)-1]
	switch {
	case last.State == Acknowledged && last.Result.Version <= row.Version:
		return row.Version, "" // a pull has brought it
	case last.State == Acknowledged && last.showsResult():
		return last.Result.Version, ""
	}
	return 0, last.ID
}

// showsResult reports that the row is shown as the answer to the mutation has it. The answer to a category whose name is taken has
// another row.
func (m Mutation) showsResult() bool {
	var row struct {
		ID string `json:"id"`
	}
	if len(m.Result.Resource) == 0 || json.Unmarshal(m.Result.Resource, &row) != nil {
		return false
	}
	return m.Key.Type == SettingsType || row.ID == m.Key.ID
}

// encode writes what a change says, with what only the device knows at this moment: today, the home currency, and the amount or
// the currency that the person saw beside the one that is changed.
func (c *Client) encode(ctx context.Context, tx Tx, m Mutation, data any) (json.RawMessage, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", m.Key.Type, m.Key.ID, err)
	}
	change, err := parseMembers(text)
	if err != nil {
		return nil, err
	}
	settings, err := settingsOf(ctx, tx)
	if err != nil && !errors.Is(err, expense.ErrNotFound) {
		return nil, err
	}
	today := expense.DateOf(c.now(), c.now().Location())
	if zone, err := expense.ParseZone(settings.TimeZone); err == nil && settings.TimeZone != "" {
		today = zone.Today(c.now())
	}
	err = resolveCategory(ctx, tx, change)
	if m.Op == Put && m.Key.Type != CategoryType && change["currency"] == nil && settings.HomeCurrency != "" {
		err = errors.Join(err, change.set("currency", settings.HomeCurrency))
	}
	switch {
	case m.Key.Type == ExpenseType && m.Op == Put && change["date"] == nil:
		err = errors.Join(err, change.set("date", today.String()))
	case (m.Key.Type == ExpenseType || m.Key.Type == RuleType) && m.Op == Patch:
		err = errors.Join(err, keepTogether(change, m.BaseRow, "amount", "currency"))
	case m.Key.Type == BudgetType && change["amount"] != nil && change["from_month"] == nil:
		err = errors.Join(err, change.set("from_month", today.Month().String()))
	}
	if err != nil {
		return nil, err
	}
	if text, err = json.Marshal(change); err == nil && len(text) > largestChange {
		err = fmt.Errorf("%s %s: %d bytes are more than a change may have", m.Key.Type, m.Key.ID, len(text))
	}
	return text, err
}

// keepTogether completes a change of one of two members by the other one as it was seen.
func keepTogether(change members, seen json.RawMessage, a, b string) error {
	if (change[a] == nil) == (change[b] == nil) {
		return nil
	}
	missing := a
	if change[a] != nil {
		missing = b
	}
	row, err := parseMembers(seen)
	if !row.isNull(missing) {
		change[missing] = row[missing]
	}
	return err
}

// resolveCategory replaces the name of a category that is here by its id: it may have another name when the change arrives.
func resolveCategory(ctx context.Context, tx Tx, change members) error {
	name := strings.TrimSpace(change.text("category"))
	if name == "" || change["category_id"] != nil {
		return nil
	}
	categories, err := allShown(ctx, tx, CategoryType)
	if err != nil {
		return err
	}
	for _, text := range categories {
		var category Category
		if err := json.Unmarshal(text, &category); err != nil {
			return fmt.Errorf("a stored category: %w", err)
		}
		if expense.Fold(category.Name) == expense.Fold(name) && !category.Archived {
			delete(change, "category")
			return change.set("category_id", category.ID)
		}
	}
	return nil
}

// shown returns a row together with what was changed of it here; ErrNotFound if there is none.
func shown(ctx context.Context, tx Tx, key RowKey) (json.RawMessage, error) {
	row, err := tx.Row(ctx, key)
	if err != nil && !errors.Is(err, expense.ErrNotFound) {
		return nil, err
	}
	pending, err := tx.Mutations(ctx, MutationQuery{Key: key, States: pendingStates()})
	if err != nil {
		return nil, err
	}
	text, err := overlay(row, pending)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, fmt.Errorf("%s %s: %w", key.Type, key.ID, expense.ErrNotFound)
	}
	return finish(ctx, tx, key, text, unsent(pending))
}

// allShown returns all rows of a type as shown returns one, ordered by id.
func allShown(ctx context.Context, tx Tx, t Type) ([]json.RawMessage, error) {
	rows, err := tx.Rows(ctx, t)
	if err != nil {
		return nil, err
	}
	mutations, err := tx.Mutations(ctx, MutationQuery{Key: RowKey{Type: t}, States: pendingStates()})
	if err != nil {
		return nil, err
	}
	pending := map[string][]Mutation{}
	var made []string // rows that the feed has not told of
	for _, m := range mutations {
		if pending[m.Key.ID] == nil {
			made = append(made, m.Key.ID)
		}
		pending[m.Key.ID] = append(pending[m.Key.ID], m)
	}
	all := make([]json.RawMessage, 0, len(rows)+len(made))
	ids := make([]string, 0, len(rows)+len(made))
	add := func(row Row, id string) error {
		text, err := overlay(row, pending[id])
		if err != nil || text == nil {
			return err
		}
		if pending[id] != nil {
			text, err = finish(ctx, tx, RowKey{t, id}, text, unsent(pending[id]))
		}
		all, ids = append(all, text), append(ids, id)
		return err
	}
	known := make(map[string]bool, len(rows))
	for _, row := range rows {
		known[row.ID] = true
		if err := add(row, row.ID); err != nil {
			return nil, err
		}
	}
	for _, id := range made {
		if !known[id] {
			if err := add(Row{RowKey: RowKey{t, id}}, id); err != nil {
				return nil, err
			}
		}
	}
	sort.Sort(byID{all, ids})
	return all, nil
}

// byID sorts rows by their ids.
type byID struct {
	rows []json.RawMessage
	ids  []string
}

func (b byID) Len() int           { return len(b.ids) }
func (b byID) Less(i, j int) bool { return b.ids[i] < b.ids[j] }
func (b byID) Swap(i, j int) {
	b.ids[i], b.ids[j] = b.ids[j], b.ids[i]
	b.rows[i], b.rows[j] = b.rows[j], b.rows[i]
}

func unsent(pending []Mutation) bool {
	for _, m := range pending {
		if m.State != Acknowledged {
			return true
		}
	}
	return false
}

// overlay returns a row with its pending mutations put in; nil if there is none, or the last of them deletes it.
func overlay(row Row, pending []Mutation) (json.RawMessage, error) {
	text := row.Data
	for _, m := range pending {
		if m.State == Acknowledged {
			switch {
			case m.Op == Delete && m.Result.Version == 0: // it was not there any more
				text = nil
			case m.Result.Version <= row.Version: // the feed has brought it
			case m.Op == Delete:
				text = nil
			case m.showsResult():
				text = m.Result.Resource
			}
			continue
		}
		if m.Op == Delete {
			text = nil
			continue
		}
		if m.Op == Patch && text == nil {
			continue // the feed has taken the row away
		}
		var err error
		if text, err = m.apply(text); err != nil {
			return nil, fmt.Errorf("mutation %s: %w", m.ID, err)
		}
	}
	return text, nil
}

// apply puts the members of a put or a patch into a row.
func (m Mutation) apply(text json.RawMessage) (json.RawMessage, error) {
	row, err := parseMembers(text)
	if err != nil {
		return nil, err
	}
	change, err := parseMembers(m.Data)
	if err != nil {
		return nil, err
	}
	if m.Op == Put {
		kept := members{}
		for _, name := range []string{"version", "created_at", "updated_at", "home_currency"} {
			if row[name] != nil {
				kept[name] = row[name]
			}
		}
		row = kept
		if m.Key.Type != SettingsType {
			err = row.set("id", m.Key.ID)
		}
	}
	for name, value := range change {
		row[name] = value
	}
	delete(row, "limit_rate")
	switch m.Key.Type {
	case BudgetType:
		err = errors.Join(err, overlayBudget(row))
	case RuleType:
		overlayRule(row, change)
	case AlertType:
		delete(row, "read")
		err = errors.Join(err, row.set("read_at", m.CreatedAt))
	case ExpenseType:
		if change["amount"] != nil || change["currency"] != nil || change["date"] != nil || change["rate"] != nil {
			// What it is worth at home is the server's to say.
			for _, derived := range []string{"rate", "rate_date", "rate_source", "home_amount"} {
				delete(row, derived)
			}
			row["pending"] = json.RawMessage("true")
			if !change.isNull("rate") {
				row["rate"] = change["rate"]
				err = errors.Join(err, row.set("rate_source", expense.SourceUser))
			}
		}
	default: // its members are those of its changes
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(row)
}

// finish puts in what a row that was made here takes from the ledger, and says whether the server has seen all of it.
func finish(ctx context.Context, tx Tx, key RowKey, text json.RawMessage, unsent bool) (json.RawMessage, error) {
	if !unsent || text == nil {
		return text, nil
	}
	row, err := parseMembers(text)
	if err != nil {
		return nil, err
	}
	if key.Type == ExpenseType || key.Type == RuleType {
		if row.isNull("category_id") || row.isNull("home_currency") || row["pending"] != nil {
			settings, err := settingsOf(ctx, tx)
			if err != nil && !errors.Is(err, expense.ErrNotFound) {
				return nil, err
			}
			if err := row.complete(settings); err != nil {
				return nil, err
			}
		}
	}
	row["$unsent"] = json.RawMessage("true")
	return json.Marshal(row)
}

// complete puts in what the settings say of an expense that the server has not seen. What is paid in the home currency is worth
// what it says.
func (m members) complete(settings Settings) error {
	var err error
	if m.isNull("category_id") && settings.DefaultCategoryID != uuid.Nil {
		err = m.set("category_id", settings.DefaultCategoryID)
	}
	if m.isNull("home_currency") && settings.HomeCurrency != "" {
		err = errors.Join(err, m.set("home_currency", settings.HomeCurrency))
	}
	if string(m["pending"]) == "true" && m.text("currency") != "" && m.text("currency") == m.text("home_currency") {
		if money, malformed := expense.ParseMoney(m.text("amount"), m.text("currency")); malformed == nil {
			m["pending"] = json.RawMessage("false")
			err = errors.Join(err, m.set("amount", money.Amount()), m.set("home_amount", money.Amount()),
				m.set("rate", "1"), m.set("rate_date", m.text("date")), m.set("rate_source", "identity"))
		}
	}
	return err
}
