package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// maxMutationBytes is the maximum size of the data of a mutation. Valid data is much smaller.
const maxMutationBytes = 128 << 10

// signalChange wakes Run after a mutation was queued.
func (c *Client) signalChange() {
	select {
	case c.changed <- struct{}{}:
	default: // a signal is pending already
	}
}

// queue stores a mutation and returns the row with it applied, or nil for a deletion.
func (c *Client) queue(ctx context.Context, m Mutation, data any) (json.RawMessage, error) {
	var text json.RawMessage
	err := c.storage.Update(ctx, func(tx Tx) (err error) {
		text, err = c.enqueue(ctx, tx, m, data)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.signalChange()
	return text, nil
}

// enqueue does what queue does, within an Update of the caller. It sets the base of the mutation: the version in the
// local copy, or the device's previous mutation of the row.
func (c *Client) enqueue(ctx context.Context, tx Tx, m Mutation, data any) (json.RawMessage, error) {
	row, err := tx.Row(ctx, m.Key)
	if err != nil && !errors.Is(err, expense.ErrNotFound) {
		return nil, err
	}
	before, err := tx.Mutations(ctx, MutationQuery{Key: m.Key, States: visibleStates()})
	if err != nil {
		return nil, err
	}
	if m.BaseRow, err = overlay(row, before); err != nil {
		return nil, err
	}
	deleted := len(before) > 0 && before[len(before)-1].Op == Delete
	switch {
	case m.Op == Put && deleted:
		return nil, fmt.Errorf("%s %s was deleted and its id cannot be reused: %w", m.Key.Type, m.Key.ID, expense.ErrGone)
	case m.Op != Put && m.BaseRow == nil:
		return nil, fmt.Errorf("%s %s: %w", m.Key.Type, m.Key.ID, expense.ErrNotFound)
	}
	if m.Op != Delete {
		if m.Data, err = c.encode(ctx, tx, m, data); err != nil {
			return nil, err
		}
		// Deletions have no base, because they always win.
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
	return visibleData(ctx, tx, row, append(before, m))
}

func visibleStates() []State { return []State{Queued, Sent, Acknowledged} }

// baseOf returns the base of a new mutation of row. before are the earlier mutations of the row. The base is a version
// of the row or, if that is not known yet, the id of the last earlier mutation.
func baseOf(row Row, before []Mutation) (version expense.Version, mutation string) {
	if len(before) == 0 {
		return row.Version, ""
	}
	last := before[len(before)-1]
	switch {
	case last.State == Acknowledged && last.Result.Version <= row.Version:
		return row.Version, "" // a pull has returned the result
	case last.State == Acknowledged && last.showsResult():
		return last.Result.Version, ""
	}
	return 0, last.ID
}

// showsResult reports whether the result contains this row. A put of a category whose name exists already returns the
// existing category instead.
func (m Mutation) showsResult() bool {
	var row struct {
		ID string `json:"id"`
	}
	if len(m.Result.Resource) == 0 || json.Unmarshal(m.Result.Resource, &row) != nil {
		return false
	}
	return m.Key.Type == SettingsType || row.ID == m.Key.ID
}

// encode returns the JSON of a draft or patch. It adds values that must not change after the user made the change:
// today's date and the home currency. If a patch contains only one of amount and currency, encode adds the other one.
func (c *Client) encode(ctx context.Context, tx Tx, m Mutation, data any) (json.RawMessage, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", m.Key.Type, m.Key.ID, err)
	}
	change, err := parseObject(text)
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
		err = errors.Join(err, completePair(change, m.BaseRow, "amount", "currency"))
	case m.Key.Type == BudgetType && change["amount"] != nil && change["from_month"] == nil:
		err = errors.Join(err, change.set("from_month", today.Month().String()))
	}
	if err != nil {
		return nil, err
	}
	if text, err = json.Marshal(change); err == nil && len(text) > maxMutationBytes {
		err = fmt.Errorf("the change of %s %s has %d bytes; the limit is %d",
			m.Key.Type, m.Key.ID, len(text), maxMutationBytes)
	}
	return text, err
}

// completePair adds to change the member a or b, with its value in base, if change has only the other one.
func completePair(change jsonObject, base json.RawMessage, a, b string) error {
	if (change[a] == nil) == (change[b] == nil) {
		return nil
	}
	missing := a
	if change[a] != nil {
		missing = b
	}
	row, err := parseObject(base)
	if !row.isNull(missing) {
		change[missing] = row[missing]
	}
	return err
}

// resolveCategory replaces the name of a category by its id, if the local copy has an active category with this name.
// The name may change before the server receives the mutation.
func resolveCategory(ctx context.Context, tx Tx, change jsonObject) error {
	name := strings.TrimSpace(change.text("category"))
	if name == "" || change["category_id"] != nil {
		return nil
	}
	categories, err := visibleRows(ctx, tx, CategoryType)
	if err != nil {
		return err
	}
	for _, text := range categories {
		var category Category
		if err := json.Unmarshal(text, &category); err != nil {
			return fmt.Errorf("stored category: %w", err)
		}
		if expense.Fold(category.Name) == expense.Fold(name) && !category.Archived {
			delete(change, "category")
			return change.set("category_id", category.ID)
		}
	}
	return nil
}

// visibleRow returns a row with its mutations applied. It returns ErrNotFound if there is none.
func visibleRow(ctx context.Context, tx Tx, key RowKey) (json.RawMessage, error) {
	row, err := tx.Row(ctx, key)
	if err != nil && !errors.Is(err, expense.ErrNotFound) {
		return nil, err
	}
	mutations, err := tx.Mutations(ctx, MutationQuery{Key: key, States: visibleStates()})
	if err != nil {
		return nil, err
	}
	text, err := visibleData(ctx, tx, row, mutations)
	if err == nil && text == nil {
		err = fmt.Errorf("%s %s: %w", key.Type, key.ID, expense.ErrNotFound)
	}
	return text, err
}

// visibleRows returns all rows of a type with their mutations applied, ordered by id.
func visibleRows(ctx context.Context, tx Tx, t Type) ([]json.RawMessage, error) {
	rows, err := tx.Rows(ctx, t)
	if err != nil {
		return nil, err
	}
	mutations, err := tx.Mutations(ctx, MutationQuery{Key: RowKey{Type: t}, States: visibleStates()})
	if err != nil {
		return nil, err
	}
	byRow := map[string][]Mutation{}
	for _, m := range mutations {
		byRow[m.Key.ID] = append(byRow[m.Key.ID], m)
	}
	rows = slices.Clone(rows)
	stored := make(map[string]bool, len(rows))
	for _, row := range rows {
		stored[row.ID] = true
	}
	for id := range byRow {
		if !stored[id] { // no pull has returned the row yet
			rows = append(rows, Row{RowKey: RowKey{t, id}})
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
	all := make([]json.RawMessage, 0, len(rows))
	for _, row := range rows {
		text, err := visibleData(ctx, tx, row, byRow[row.ID])
		if err != nil {
			return nil, err
		}
		if text != nil {
			all = append(all, text)
		}
	}
	return all, nil
}

// overlay applies mutations to a row. It returns nil if there is no row or the last mutation deletes it.
func overlay(row Row, mutations []Mutation) (json.RawMessage, error) {
	text := row.Data
	for _, m := range mutations {
		if m.State == Acknowledged {
			switch {
			case m.Op == Delete && m.Result.Version == 0: // the row did not exist any more
				text = nil
			case m.Result.Version <= row.Version: // a pull has returned the result
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
			continue // a pull has deleted the row
		}
		var err error
		if text, err = m.apply(text); err != nil {
			return nil, fmt.Errorf("mutation %s: %w", m.ID, err)
		}
	}
	return text, nil
}

// apply merges the members of a put or patch into a row.
func (m Mutation) apply(text json.RawMessage) (json.RawMessage, error) {
	row, err := parseObject(text)
	if err != nil {
		return nil, err
	}
	change, err := parseObject(m.Data)
	if err != nil {
		return nil, err
	}
	if m.Op == Put {
		stored := jsonObject{}
		for _, name := range []string{"version", "created_at", "updated_at", "home_currency"} {
			if row[name] != nil {
				stored[name] = row[name]
			}
		}
		row = stored
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
			// The server computes these values.
			for _, derived := range []string{"rate", "rate_date", "rate_source", "home_amount"} {
				delete(row, derived)
			}
			row["pending"] = json.RawMessage("true")
			if !change.isNull("rate") {
				row["rate"] = change["rate"]
				err = errors.Join(err, row.set("rate_source", expense.SourceUser))
			}
		}
	default: // no derived members
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(row)
}

// visibleData returns a row with its mutations applied, or nil if there is none. If the server has not acknowledged all
// of the mutations, visibleData sets $unacknowledged, and fills in members that the server would derive from the
// settings.
func visibleData(ctx context.Context, tx Tx, stored Row, mutations []Mutation) (json.RawMessage, error) {
	text, err := overlay(stored, mutations)
	i := slices.IndexFunc(mutations, func(m Mutation) bool { return m.State != Acknowledged })
	if err != nil || text == nil || i < 0 {
		return text, err
	}
	row, err := parseObject(text)
	if err != nil {
		return nil, err
	}
	if t := mutations[i].Key.Type; t == ExpenseType || t == RuleType {
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
	row["$unacknowledged"] = json.RawMessage("true")
	return json.Marshal(row)
}

// complete fills in the members of an unacknowledged expense or rule that follow from the settings. An amount in the
// home currency needs no rate.
func (m jsonObject) complete(settings Settings) error {
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
