package replica_test

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/replica"
)

// A conflictType is a type of row as the tests of conflicts change it.
type conflictType struct {
	row                store.RowType
	guarded, unguarded string // one field of each kind; "" if the type has none
	values             map[string][3]string
	rest               func(n int) fields // the other fields of a new row
}

func conflictTypes() []conflictType {
	amounts, notes := [3]string{"5.00", "9.00", "7.00"}, [3]string{"seen", "theirs", "mine"}
	return []conflictType{
		{
			row: store.ExpenseRow, guarded: "amount", unguarded: "notes", rest: func(int) fields { return fields{} },
			values: map[string][3]string{"amount": amounts, "notes": notes},
		},
		{
			row: store.RuleRow, guarded: "amount", unguarded: "notes",
			rest:   func(int) fields { return fields{"freq": "monthly", "start_date": "2026-05-01"} },
			values: map[string][3]string{"amount": amounts, "notes": notes},
		},
		{
			row: store.BudgetRow, guarded: "amount",
			rest:   func(n int) fields { return fields{"from_month": "2026-03", "category_id": id(n + 100_000).String()} },
			values: map[string][3]string{"amount": amounts},
		},
		{
			row: store.CategoryRow, unguarded: "colour",
			rest:   func(n int) fields { return fields{"name": fmt.Sprint("category ", n)} },
			values: map[string][3]string{"colour": {"#111111", "#222222", "#333333"}},
		},
	}
}

// prepare adds what the n-th row refers to.
func (c conflictType) prepare(l ledger, n int) {
	if c.row == store.BudgetRow {
		l.edit(ref(store.CategoryRow, n+100_000), change(store.CategoryRow, "put", fields{"name": fmt.Sprint("budget ", n)}))
	}
}

// full returns all fields of the n-th row: the first values, but one field with its i-th value.
func (c conflictType) full(n int, field string, i int) fields {
	f := c.rest(n)
	for name, values := range c.values {
		f[name] = values[0]
	}
	if field != "" {
		f[field] = c.values[field][i]
	}
	return f
}

// value returns the value of a field of a row.
func value(row any, field string) string {
	switch row := row.(type) {
	case expense.Expense:
		return map[string]string{"amount": row.Amount.Amount(), "notes": row.Notes}[field]
	case recurrence.Rule:
		return map[string]string{"amount": row.Amount.Amount(), "notes": row.Notes}[field]
	case budget.Budget:
		return row.Entries[len(row.Entries)-1].Limit.Amount()
	case expense.Category:
		return row.Colour
	}
	return ""
}

// TestPush_Conflicts goes through the contract's section Conflicts for each type of row: the device saw the row at one
// version, another device changed a field of it or did not, and then comes a change that the first device made offline.
func TestPush_Conflicts(t *testing.T) {
	const guarded, unguarded, same = "guarded", "unguarded", "same"
	cases := []struct {
		name   string
		theirs string // what another device changed since: a field, or "deleted"
		op     string
		mine   string // the field of a patch or a put; same: a put of the row as it is by now
		base   string // none, seen, now, own (a mutation of this device, before theirs), ahead, never
		want   string
	}{
		{"patch without a base", guarded, "patch", guarded, "none", "applied"},
		{"patch on the current version", "", "patch", guarded, "now", "applied"},
		{"unguarded patch on the current version", "", "patch", unguarded, "now", "applied"},
		{"unguarded patch, theirs unguarded", unguarded, "patch", unguarded, "seen", "merged"},
		{"unguarded patch, theirs guarded", guarded, "patch", unguarded, "seen", "merged"},
		{"guarded patch, theirs unguarded", unguarded, "patch", guarded, "seen", "merged"},
		{"guarded patch, theirs guarded", guarded, "patch", guarded, "seen", "conflict conflict"},
		{"patch on their version", guarded, "patch", guarded, "now", "applied"},
		{"guarded patch on an own mutation", "", "patch", guarded, "own", "applied"},
		{"unguarded patch on an own mutation", "", "patch", unguarded, "own", "applied"},
		{"guarded patch on an own mutation, theirs guarded since", guarded, "patch", guarded, "own", "conflict conflict"},
		{"unguarded patch on an own mutation, theirs since", guarded, "patch", unguarded, "own", "merged"},
		{"guarded patch on a mutation without a record", "", "patch", guarded, "never", "conflict conflict"},
		{"unguarded patch on a mutation without a record", "", "patch", unguarded, "never", "merged"},
		{"unguarded patch on a future version", "", "patch", unguarded, "ahead", "rejected invalid"},
		{"guarded patch on a future version", "", "patch", guarded, "ahead", "rejected invalid"},
		{"unguarded patch of a deleted row", "deleted", "patch", unguarded, "seen", "conflict gone"},
		{"guarded patch of a deleted row", "deleted", "patch", guarded, "none", "conflict gone"},

		{"equal put without a base", guarded, "put", same, "none", "unchanged"},
		{"guarded put without a base", "", "put", guarded, "none", "conflict conflict"},
		{"unguarded put without a base", "", "put", unguarded, "none", "conflict conflict"},
		{"guarded put on the current version", "", "put", guarded, "now", "applied"},
		{"unguarded put on the current version", "", "put", unguarded, "now", "applied"},
		{"equal put on the current version", "", "put", same, "now", "unchanged"},
		{"equal put on an old version, theirs unguarded", unguarded, "put", same, "seen", "unchanged"},
		{"equal put on an old version, theirs guarded", guarded, "put", same, "seen", "unchanged"},
		{"guarded put on an old version", unguarded, "put", guarded, "seen", "conflict conflict"},
		{"unguarded put on an old version", guarded, "put", unguarded, "seen", "conflict conflict"},
		{"guarded put on an own mutation", "", "put", guarded, "own", "applied"},
		{"unguarded put on an own mutation", "", "put", unguarded, "own", "applied"},
		{"put on an own mutation, theirs since", guarded, "put", unguarded, "own", "conflict conflict"},
		{"put on a mutation without a record", "", "put", guarded, "never", "conflict conflict"},
		{"put on a future version", "", "put", guarded, "ahead", "rejected invalid"},
		{"put of a deleted row", "deleted", "put", unguarded, "seen", "conflict gone"},
		{"put of a deleted row without a base", "deleted", "put", guarded, "none", "conflict gone"},

		{"delete on the current version", "", "delete", "", "now", "applied"},
		{"delete on an old version", guarded, "delete", "", "seen", "applied"},
		{"delete without a base", unguarded, "delete", "", "none", "applied"},
		{"delete on an own mutation, theirs since", unguarded, "delete", "", "own", "applied"},
		{"delete on a future version", "", "delete", "", "ahead", "rejected invalid"},
		{"delete of a deleted row", "deleted", "delete", "", "seen", "unchanged"},
	}
	onEachStore(t, func(l ledger) {
		n := 1000
		for _, typ := range conflictTypes() {
			field := map[string]string{guarded: typ.guarded, unguarded: typ.unguarded}
			for _, c := range cases {
				isField := func(name string) bool { return name == guarded || name == unguarded }
				if isField(c.theirs) && field[c.theirs] == "" || isField(c.mine) && field[c.mine] == "" {
					continue // the type has no such field
				}
				n++
				name := fmt.Sprint(typ.row, ": ", c.name)
				row, own := ref(typ.row, n), fmt.Sprint("new", n)
				typ.prepare(l, n)
				seen := l.push(mutation(own, row, change(typ.row, "put", typ.full(n, "", 0))))[0].Version
				now := seen
				switch c.theirs {
				case "":
				case "deleted":
					now = l.edit(row, replica.Delete{})
				default:
					theirs := fields{field[c.theirs]: typ.values[field[c.theirs]][1]}
					now = l.edit(row, change(typ.row, "patch", theirs))
				}
				before := l.row(row)
				content := fields{}
				switch {
				case c.op == "patch":
					content[field[c.mine]] = typ.values[field[c.mine]][2]
				case c.mine == same:
					content = typ.full(n, field[c.theirs], 1)
				case c.op == "put":
					content = typ.full(n, field[c.mine], 2)
				}
				m := mutation(fmt.Sprint("m", n), row, change(typ.row, c.op, content))
				switch c.base {
				case "seen":
					m = based(m, seen)
				case "now":
					m = based(m, now)
				case "ahead":
					m = based(m, 1_000_000)
				case "own":
					m = upon(m, own)
				case "never":
					m = upon(m, "never")
				}
				got := l.push(m)[0]
				if status(got) != c.want {
					l.t.Errorf("%s: %s, want %s: %+v", name, status(got), c.want, got)
					continue
				}
				again := l.push(m)[0]
				same := again.Status == got.Status && again.Version == got.Version && string(again.Response) == string(got.Response)
				if !again.Replayed || !same {
					l.t.Errorf("%s, sent again: %+v, and %+v before", name, again, got)
				}
				typ.checkAfter(l, name, c.op, field[c.mine], got, before, l.row(row))
			}
		}
	})
}

// checkAfter compares the row with what the result says.
func (c conflictType) checkAfter(l ledger, name, op, mine string, got replica.Result, before, after any) {
	l.t.Helper()
	if op == "delete" || before == nil {
		if gone := before == nil || got.Status == replica.Applied; gone != (after == nil) {
			l.t.Errorf("%s: the row is %v", name, after)
		}
		return
	}
	switch got.Status {
	case replica.Applied, replica.Merged:
		for field, values := range c.values {
			want := value(before, field)
			if field == mine {
				want = values[2]
			} else if op == "put" {
				want = values[0]
			}
			if value(after, field) != want {
				l.t.Errorf("%s: the row has %s %s, want %s", name, field, value(after, field), want)
			}
		}
	default:
		if !reflect.DeepEqual(before, after) {
			l.t.Errorf("%s: %s, and the row was %v and is %v", name, got.Status, before, after)
		}
	}
	if got.Status != replica.Rejected && !reflect.DeepEqual(got.Row, after) {
		l.t.Errorf("%s: the result shows %v, the row is %v", name, got.Row, after)
	}
}

// TestPush_GuardedFieldsStayTogether checks the fields of an expense's guarded group against each other.
func TestPush_GuardedFieldsStayTogether(t *testing.T) {
	onEachStore(t, func(l ledger) {
		for i, c := range []struct {
			name         string
			theirs, mine fields
			want, row    string
		}{
			{"notes, their amount", fields{"amount": "9"}, fields{"notes": "mine"}, "merged", "9.00 EUR 2026-03-08 mine"},
			{"amount, their notes", fields{"notes": "theirs"}, fields{"amount": "9"}, "merged", "9.00 EUR 2026-03-08 theirs"},
			{"amount, their amount", fields{"amount": "9"}, fields{"amount": "8"}, "conflict conflict", "9.00 EUR 2026-03-08 "},
			{
				"amount and notes, their currency", fields{"currency": "USD"}, fields{"amount": "8", "notes": "lost"},
				"conflict conflict",
				"5.00 USD 2026-03-08 ",
			},
			{
				"date, their amount", fields{"amount": "9"}, fields{"date": "2026-03-01"}, "conflict conflict",
				"9.00 EUR 2026-03-08 ",
			},
		} {
			row := ref(store.ExpenseRow, i+1)
			seen := l.edit(row, change(row.Type, "put", fields{"amount": "5"}))
			l.edit(row, change(row.Type, "patch", c.theirs))
			got := l.push(based(mutation(c.name, row, change(row.Type, "patch", c.mine)), seen))[0]
			e := l.expense(row.ID)
			if text := fmt.Sprint(e.Amount, " ", e.Date, " ", e.Notes); status(got) != c.want || text != c.row {
				l.t.Errorf("%s: %s and %q, want %s and %q", c.name, status(got), text, c.want, c.row)
			}
		}
	})
}

func TestPush_UnknownRow(t *testing.T) {
	onEachStore(t, func(l ledger) {
		n := 5000
		for _, typ := range conflictTypes() {
			for _, c := range []struct {
				op      string
				version expense.Version
				earlier string
				want    string
			}{
				{"patch", 0, "", "rejected not_found"},
				{"patch", 1, "", "conflict gone"}, // the device saw the row, so its tombstone is purged
				{"put", 1, "", "conflict gone"},
				{"put", 0, "never", "applied"},
				{"put", 0, "", "applied"},
				{"delete", 0, "", "unchanged"},
				{"delete", 1, "", "unchanged"},
			} {
				n++
				typ.prepare(l, n)
				content := typ.full(n, "", 0)
				if c.op == "patch" {
					field := cmp.Or(typ.unguarded, typ.guarded)
					content = fields{field: typ.values[field][1]}
				}
				m := based(mutation(fmt.Sprint("m", n), ref(typ.row, n), change(typ.row, c.op, content)), c.version)
				if got := l.push(upon(m, c.earlier))[0]; status(got) != c.want {
					l.t.Errorf("a %s of an unknown %s on %d%s: %+v, want %s", c.op, typ.row, c.version, c.earlier, got, c.want)
				}
			}
		}
	})
}

// TestPush_Settings: settings have no guarded fields. They cannot be deleted.
func TestPush_Settings(t *testing.T) {
	onEachStore(t, func(l ledger) {
		row := replica.RowRef{Type: store.SettingsRow}
		seen := l.settings().Version
		now := l.edit(row, change(row.Type, "patch", fields{"locale": "de"}))
		const last, ahead = -1, 1_000_000
		for i, c := range []struct {
			op     string
			base   expense.Version
			data   fields
			want   string
			locale string
			zone   string
		}{
			{"put", 0, fields{"locale": "de"}, "unchanged", "de", "UTC"},
			{"put", 0, fields{"locale": "fr"}, "conflict conflict", "de", "UTC"},
			{"put", seen, fields{"locale": "de"}, "unchanged", "de", "UTC"},
			{"put", seen, fields{"time_zone": "Europe/Berlin"}, "conflict conflict", "de", "UTC"},
			{"put", seen, fields{"time_zone": "Europe/Atlantis"}, "rejected invalid", "de", "UTC"},
			{"patch", ahead, fields{"locale": "fr"}, "rejected invalid", "de", "UTC"},
			{"patch", seen, fields{"locale": "de"}, "unchanged", "de", "UTC"},
			{"patch", now, fields{"locale": "fr"}, "applied", "fr", "UTC"},
			{"patch", now, fields{"time_zone": "Europe/Berlin"}, "merged", "fr", "Europe/Berlin"},
			{"patch", seen, fields{"locale": "it"}, "merged", "it", "Europe/Berlin"},
			{"patch", 0, fields{"locale": "es"}, "applied", "es", "Europe/Berlin"},
			{"put", last, fields{"locale": "pl"}, "applied", "pl", "Europe/Berlin"},
			{"delete", 0, nil, "rejected invalid", "pl", "Europe/Berlin"},
		} {
			base := c.base
			if base == last {
				base = l.settings().Version
			}
			got := l.push(based(mutation(fmt.Sprint("m", i), row, change(row.Type, c.op, c.data)), base))[0]
			after := l.settings()
			if status(got) != c.want || after.Locale != c.locale || after.Zone.String() != c.zone {
				l.t.Errorf("a %s of %v on %d: %+v, want %s; the settings are %v", c.op, c.data, c.base, got, c.want, after)
			}
		}
	})
}

// TestPush_Alerts: the server raises alerts. A device can mark one as read, whatever version it saw.
func TestPush_Alerts(t *testing.T) {
	onEachStore(t, func(l ledger) {
		l.edit(
			ref(store.BudgetRow, 1),
			change(store.BudgetRow, "put", fields{"amount": "1", "from_month": "2026-03", "alert_at": "0.50 1.00"}),
		)
		l.edit(ref(store.ExpenseRow, 2), change(store.ExpenseRow, "put", fields{"amount": "5"}))
		var raised []budget.Alert
		l.update(func(tx store.Tx) (err error) {
			raised, err = budget.RaiseAlerts(l.t.Context(), tx, noon)
			return err
		})
		if len(raised) != 2 {
			l.t.Fatalf("%d alerts", len(raised))
		}
		first, second := raised[0].ID, raised[1].ID
		for i, c := range []struct {
			id   uuid.UUID
			op   string
			base expense.Version
			want string
		}{
			{first, "patch", 1, "applied"},
			{first, "patch", 1, "unchanged"},
			{second, "patch", 1_000_000, "rejected invalid"},
			{second, "patch", 0, "applied"},
			{second, "delete", 0, "rejected invalid"},
			{id(9), "patch", 0, "rejected not_found"},
		} {
			row := replica.RowRef{Type: store.AlertRow, ID: c.id}
			got := l.push(based(mutation(fmt.Sprint("m", i), row, change(row.Type, c.op, nil)), c.base))[0]
			if status(got) != c.want {
				l.t.Errorf("a %s of an alert on %d: %+v, want %s", c.op, c.base, got, c.want)
			}
			if alert, ok := got.Row.(budget.Alert); ok && alert.ReadAt.IsZero() {
				l.t.Errorf("a %s of an alert shows %v", c.op, alert)
			}
		}
	})
}

// categories returns the ids of the ledger's categories by their names.
func (l ledger) categories() map[string]uuid.UUID {
	l.t.Helper()
	all, err := l.st.Reader(l.owner).Categories(l.t.Context())
	l.check(err)
	ids := map[string]uuid.UUID{}
	for _, c := range all {
		ids[c.Name] = c.ID
	}
	return ids
}

// TestPush_Categories checks names and merges.
func TestPush_Categories(t *testing.T) {
	onEachStore(t, func(l ledger) {
		ids := l.categories()
		food, travel, other := ids["Food"], ids["Travel"], ids["Other"]
		_, cursor := l.pull(replica.Cursor{}, 1000)
		l.edit(ref(store.ExpenseRow, 1), change(store.ExpenseRow, "put", fields{"amount": "5", "category_id": food.String()}))
		for i, c := range []struct {
			name string
			id   uuid.UUID
			op   string
			data fields
			want string
		}{
			{"a new one whose name is taken", id(10), "put", fields{"name": " FOOD "}, "merged"},
			{"the same by another device", id(10), "put", fields{"name": "Food"}, "conflict gone"},
			{"a patch of one that was merged", id(10), "patch", fields{"name": "Fare"}, "conflict gone"},
			{"a delete of one that was merged", id(10), "delete", nil, "unchanged"},
			{"a delete of one in use", food, "delete", nil, "conflict in_use"},
			{"a delete of the default", other, "delete", nil, "conflict in_use"},
			{"the default renamed to a taken name", other, "patch", fields{"name": "food"}, "conflict in_use"},
			{"one renamed to a taken name", travel, "patch", fields{"name": "food", "colour": "#123456"}, "merged"},
			{"one without a name", id(11), "put", fields{"name": " "}, "rejected invalid"},
		} {
			row := replica.RowRef{Type: store.CategoryRow, ID: c.id}
			got := l.push(mutation(fmt.Sprint("m", i), row, change(row.Type, c.op, c.data)))[0]
			if status(got) != c.want {
				l.t.Errorf("%s: %+v, want %s", c.name, got, c.want)
			}
			if into, _ := got.Row.(expense.Category); got.Status == replica.Merged && into.ID != food {
				l.t.Errorf("%s: the result shows %v, want Food", c.name, into)
			}
		}
		changes, _ := l.pull(cursor, 1000)
		into := map[uuid.UUID]uuid.UUID{}
		for _, change := range changes {
			into[change.ID] = change.MergedInto
		}
		if into[travel] != food || into[id(10)] != food {
			l.t.Errorf(
				"the feed says that Travel was merged into %v and the new one into %v, want %s", into[travel], into[id(10)], food,
			)
		}
	})
}

// TestPush_References: a reference to a category that is no longer there is never a reason to lose a row.
func TestPush_References(t *testing.T) {
	onEachStore(t, func(l ledger) {
		food := l.categories()["Food"]
		category := func(n int, name string) {
			l.edit(ref(store.CategoryRow, n), change(store.CategoryRow, "put", fields{"name": name}))
		}
		category(1, "food") // merged into Food
		category(2, "Gone")
		l.edit(ref(store.CategoryRow, 2), replica.Delete{})
		category(4, "Archived")
		l.edit(ref(store.CategoryRow, 4), change(store.CategoryRow, "patch", fields{"archived": "true"}))
		fallback := l.settings().DefaultCategory
		for n, want := range map[int]uuid.UUID{1: food, 2: fallback, 3: fallback, 4: fallback} {
			for _, typ := range []store.RowType{store.ExpenseRow, store.RuleRow} {
				data := fields{"amount": "1", "category_id": id(n).String(), "freq": "monthly", "start_date": "2026-05-01"}
				row := ref(typ, 10*n+int(typ)*100)
				got := l.push(mutation(fmt.Sprint(typ, n), row, change(typ, "put", data)))[0]
				if status(got) != "merged" || categoryOf(got.Row) != want {
					l.t.Errorf("a %s of category %d: %+v, want one of %s", typ, n, got, want)
				}
			}
		}
		// A merge is followed again when the category that took the place is merged, too.
		renamed := l.push(mutation("rename", replica.RowRef{Type: store.CategoryRow, ID: food},
			change(store.CategoryRow, "patch", fields{"name": "travel"})))[0]
		travel, _ := renamed.Row.(expense.Category)
		moved := l.expense(id(10 + int(store.ExpenseRow)*100))
		if status(renamed) != "merged" || travel.Name != "Travel" || moved.CategoryID != travel.ID {
			l.t.Errorf("a category renamed to a taken name: %+v", renamed)
		}
		late := l.push(mutation(
			"late", ref(store.ExpenseRow, 99),
			change(store.ExpenseRow, "put", fields{"amount": "1", "category_id": id(1).String()}),
		))[0]
		if status(late) != "merged" || categoryOf(late.Row) != travel.ID {
			l.t.Errorf("a reference that two merges have moved: %+v", late)
		}
	})
}

func categoryOf(row any) uuid.UUID {
	switch row := row.(type) {
	case expense.Expense:
		return row.CategoryID
	case recurrence.Rule:
		return row.CategoryID
	}
	return uuid.Nil
}

// TestPush_FullLedgerMergesCategory: the limit on categories does not keep one from being merged.
func TestPush_FullLedgerMergesCategory(t *testing.T) {
	onEachStore(t, func(l ledger) {
		more := make([]expense.Category, expense.MaxCategories-10)
		for i := range more {
			more[i] = expense.Category{ID: uuid.New(), Name: fmt.Sprint("category ", i), CreatedAt: noon, UpdatedAt: noon}
		}
		l.update(func(tx store.Tx) error {
			_, err := tx.PutCategories(l.t.Context(), more...)
			return err
		})
		got := l.push(
			mutation("m1", ref(store.CategoryRow, 1), change(store.CategoryRow, "put", fields{"name": "one more"})),
			mutation("m2", ref(store.CategoryRow, 2), change(store.CategoryRow, "put", fields{"name": "food"})),
			mutation(
				"m3", ref(store.ExpenseRow, 3),
				change(store.ExpenseRow, "put", fields{"amount": "1", "category_id": id(1).String()}),
			),
		)
		if status(got[0]) != "rejected invalid" || status(got[1]) != "merged" || status(got[2]) != "merged" {
			l.t.Errorf("a new category, one whose name is taken, an expense of the rejected one: %v", got)
		}
	})
}

// TestPush_BaseMutationDoesNotCoverOthersChanges: a device makes its queue before it knows the first result. A later
// mutation that names an earlier one as its base has not seen what others changed.
func TestPush_BaseMutationDoesNotCoverOthersChanges(t *testing.T) {
	amount := func(v string) fields { return fields{"amount": v} }
	notes := func(v string) fields { return fields{"notes": v} }
	onEachStore(t, func(l ledger) {
		n := 7000
		for _, c := range []struct {
			name   string
			theirs fields
			ops    string // an op for each mutation; each mutation names the one before as its base
			queue  []fields
			want   string
			final  string
		}{
			{
				"notes, then the amount", amount("9"), "patch patch", []fields{notes("mine"), amount("7")},
				"merged,conflict conflict", "9.00 mine",
			},
			{
				"notes twice, then the amount", amount("9"), "patch patch patch", []fields{notes("a"), notes("b"), amount("7")},
				"merged,merged,conflict conflict", "9.00 b",
			},
			{
				"unchanged, then the amount", amount("9"), "patch patch", []fields{notes("seen"), amount("7")},
				"unchanged,conflict conflict", "9.00 seen",
			},
			{
				"the amount twice, their notes", notes("theirs"), "patch patch", []fields{amount("7"), amount("8")},
				"merged,applied", "8.00 theirs",
			},
			{
				"the amount and notes, their notes", notes("theirs"), "patch patch", []fields{amount("7"), notes("mine")},
				"merged,applied", "7.00 mine",
			},
			{
				"the amount, then all fields, their notes", notes("theirs"), "patch put",
				[]fields{amount("7"), {"amount": "8", "notes": "mine"}}, "merged,conflict conflict", "7.00 theirs",
			},
			{
				"a conflict, then notes", amount("9"), "patch patch", []fields{amount("7"), notes("mine")},
				"conflict conflict,merged", "9.00 mine",
			},
			{
				"a conflict, then the amount again", amount("9"), "patch patch", []fields{amount("7"), amount("8")},
				"conflict conflict,conflict conflict", "9.00 seen",
			},
			{
				"a rejected one, then the amount", amount("9"), "patch patch", []fields{notes("\x01"), amount("8")},
				"rejected invalid,conflict conflict", "9.00 seen",
			},
			{
				"all fields, then the amount, nobody between", nil, "put patch", []fields{
					{"amount": "7", "notes": "mine"}, amount("8"),
				},
				"applied,applied", "8.00 mine",
			},
		} {
			for _, together := range []bool{true, false} {
				n++
				row := ref(store.ExpenseRow, n)
				seen := l.edit(row, change(row.Type, "put", fields{"amount": "5", "notes": "seen"}))
				if c.theirs != nil {
					l.edit(row, change(row.Type, "patch", c.theirs))
				}
				var queue []replica.Mutation
				for i, op := range strings.Fields(c.ops) {
					m := mutation(fmt.Sprint(n, "-", i), row, change(row.Type, op, c.queue[i]))
					if i == 0 {
						m = based(m, seen)
					} else {
						m = upon(m, fmt.Sprint(n, "-", i-1))
					}
					queue = append(queue, m)
				}
				var got []string
				if together {
					for _, result := range l.push(queue...) {
						got = append(got, status(result))
					}
				} else {
					for _, m := range queue {
						got = append(got, status(l.push(m)[0]))
					}
				}
				e := l.expense(row.ID)
				if all := strings.Join(got, ","); all != c.want {
					l.t.Errorf("%s (in one push: %t): %s, want %s", c.name, together, all, c.want)
				}
				if final := e.Amount.Amount() + " " + e.Notes; final != c.final {
					l.t.Errorf("%s (in one push: %t): the row is %s, want %s", c.name, together, final, c.final)
				}
			}
		}
	})
}

// TestPush_RecordsLastAsLongAsTombstones: the result of a mutation is not purged with the responses of requests.
func TestPush_RecordsLastAsLongAsTombstones(t *testing.T) {
	onEachStore(t, func(l ledger) {
		row := ref(store.ExpenseRow, 1)
		put := mutation("m1", row, change(row.Type, "put", fields{"amount": "5"}))
		first := l.push(put)[0]
		l.edit(row, change(row.Type, "patch", fields{"amount": "6"}))
		l.check(l.st.Purge(l.t.Context(), noon.Add(time.Hour), noon.Add(-time.Hour)))
		if again := l.push(put)[0]; !again.Replayed || string(again.Response) != string(first.Response) {
			l.t.Errorf("sent again before tombstones are purged: %+v, and %+v before", again, first)
		}
		l.check(l.st.Purge(l.t.Context(), noon, noon.Add(time.Hour)))
		if late := l.push(put)[0]; status(late) != "conflict conflict" {
			l.t.Errorf("sent again after the purge: %+v", late)
		}
	})
}

// TestPush_ServerWritesDoNotConflict: posting a rule and merging a category raise the version of a row, but not that of
// its guarded fields.
func TestPush_ServerWritesDoNotConflict(t *testing.T) {
	onEachStore(t, func(l ledger) {
		l.edit(ref(store.CategoryRow, 1), change(store.CategoryRow, "put", fields{"name": "Pets"}))
		l.edit(ref(store.CategoryRow, 2), change(store.CategoryRow, "put", fields{"name": "Animals"}))
		content := fields{"amount": "5", "freq": "daily", "start_date": "2026-03-06", "category_id": id(1).String()}
		seen := map[replica.RowRef]expense.Version{}
		for _, row := range []replica.RowRef{ref(store.RuleRow, 3), ref(store.ExpenseRow, 4)} {
			seen[row] = l.edit(row, change(row.Type, "put", content))
		}
		l.update(func(tx store.Tx) error {
			result, err := recurrence.Post(l.t.Context(), tx, env())
			if err == nil && result.Posted != 3 {
				l.t.Errorf("%d expenses were posted", result.Posted)
			}
			return err
		})
		l.update(func(tx store.Tx) error {
			_, err := expense.MergeCategories(l.t.Context(), tx, env(), id(1), id(2))
			return err
		})
		for row, base := range maps.All(seen) {
			got := l.push(based(mutation(fmt.Sprint(row), row, change(row.Type, "patch", fields{"amount": "7"})), base))[0]
			if status(got) != "merged" || value(got.Row, "amount") != "7.00" || categoryOf(got.Row) != id(2) {
				l.t.Errorf("a %s that only the server has written: %+v", row.Type, got)
			}
		}
	})
}
