package replica_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/replica"
)

func TestPush_OneUpdate(t *testing.T) {
	onEachStore(t, func(l ledger) {
		put := func(amount string) replica.Edit { return change(store.ExpenseRow, "put", fields{"amount": amount}) }
		row := ref(store.ExpenseRow, 1)
		malformed := errors.New("a request that could not be decoded")
		mutations := []replica.Mutation{
			mutation("m1", row, put("5.00")),
			upon(mutation("m2", row, change(row.Type, "patch", fields{"amount": "6.00"})), "m1"),
			mutation("m3", ref(store.ExpenseRow, 2), put("6.001")),
			{ID: "m4", Fingerprint: []byte("m4"), Row: ref(store.ExpenseRow, 3), Err: malformed},
			{ID: "m5", Fingerprint: []byte("m5"), Err: malformed},
			mutation("m6", ref(store.ExpenseRow, 7), put("7.00")),
			upon(mutation("m7", ref(store.ExpenseRow, 7), change(row.Type, "patch", fields{"notes": "x"})), "m1"),
			upon(mutation("m8", ref(store.ExpenseRow, 3), change(row.Type, "patch", fields{"notes": "x"})), "m4"),
		}
		want := []string{
			"applied", "applied", "rejected invalid", "rejected " + malformed.Error(), "rejected " + malformed.Error(),
			"applied", "rejected invalid", "rejected not_found",
		}
		results := l.push(mutations...)
		for i, result := range results {
			if status(result) != want[i] {
				l.t.Errorf("m%d: %s, want %s (%v)", i+1, status(result), want[i], result)
			}
		}
		if results[0].Version != 2 || results[5].Version != 2 {
			l.t.Errorf("the rows of one push have the versions %d and %d, want 2", results[0].Version, results[5].Version)
		}
		if e := l.expense(row.ID); e.Amount.Amount() != "6.00" {
			l.t.Errorf("two edits of one row in a push end with %v", e)
		}
		before := l.state()
		for i, again := range l.push(mutations...) {
			if !again.Replayed || string(again.Response) != string(results[i].Response) || again.Status != results[i].Status {
				l.t.Errorf("m%d, sent again: %+v, and %+v before", i+1, again, results[i])
			}
		}
		if after := l.state(); after != before {
			l.t.Errorf("a push that was sent again has moved the ledger from %v to %v", before, after)
		}
		other := mutation("m1", ref(store.ExpenseRow, 8), put("1"))
		other.Fingerprint = []byte("another mutation")
		if got := l.push(other)[0]; status(got) != "rejected id_reused" || got.Replayed {
			l.t.Errorf("another mutation with the id of one: %+v", got)
		}
	})
}

func TestPush_TooManyMutations(t *testing.T) {
	l := newLedger(t, memstore.New())
	tooMany := replica.PushRequest{Mutations: make([]replica.Mutation, replica.MaxMutations+1)}
	_, err := replica.Push(t.Context(), l.st, l.owner, env(), tooMany)
	if !errors.Is(err, expense.ErrInvalid) {
		t.Errorf("%v, want ErrInvalid", err)
	}
	_, err = replica.Push(t.Context(), l.st, "nobody", env(), replica.PushRequest{})
	if !errors.Is(err, expense.ErrNotFound) {
		t.Errorf("a push to a ledger that does not exist: %v", err)
	}
}

// TestPush_FailingStore: a temporary error fails the whole push, and nothing is recorded.
func TestPush_FailingStore(t *testing.T) {
	l := newLedger(t, memstore.New())
	mutations := []replica.Mutation{
		mutation("m1", ref(store.ExpenseRow, 1), change(store.ExpenseRow, "put", fields{"amount": "1"})),
		mutation("m2", ref(store.ExpenseRow, 2), change(store.ExpenseRow, "put", fields{"amount": "2"})),
	}
	before := l.state()
	calls := 0
	_, err := replica.Push(t.Context(), l.st, l.owner, env(), replica.PushRequest{
		Mutations: mutations,
		Encode: func(r replica.Result) ([]byte, error) {
			if calls++; calls == 2 {
				return nil, expense.ErrUnavailable
			}
			return encode(r)
		},
	})
	if !errors.Is(err, expense.ErrUnavailable) || l.state() != before {
		t.Errorf("%v; the ledger has moved from %v to %v", err, before, l.state())
	}
	for _, result := range l.push(mutations...) {
		if status(result) != "applied" || result.Replayed {
			t.Errorf("after the failure: %+v", result)
		}
	}
}

// TestPush_HomeCurrencyTooLarge: the total in the new home currency exceeds the limit, which is found after some
// expenses were converted. The push goes on without the mutation, and nothing of it stays.
func TestPush_HomeCurrencyTooLarge(t *testing.T) {
	onEachStore(t, func(l ledger) {
		l.edit(ref(store.ExpenseRow, 1), change(store.ExpenseRow, "put", fields{"amount": "900000000000", "currency": "JPY"}))
		before := l.settings()
		put := func(n int, amount string) replica.Mutation {
			return mutation(
				fmt.Sprint("put", n), ref(store.ExpenseRow, n), change(store.ExpenseRow, "put", fields{"amount": amount}),
			)
		}
		settings := replica.RowRef{Type: store.SettingsRow}
		results := l.push(
			put(2, "1"), put(3, "9900000000000"),
			mutation("home", settings, change(settings.Type, "patch", fields{"home_currency": "USD"})), put(4, "2"),
		)
		if status(results[0]) != "applied" || status(results[3]) != "applied" {
			l.t.Errorf("the other mutations: %v, %v", results[0], results[3])
		}
		if status(results[2]) != "rejected invalid" || l.settings() != before {
			l.t.Errorf("the new home currency: %+v; the settings are %v", results[2], l.settings())
		}
		for n, want := range map[int]string{1: "EUR", 2: "EUR", 3: "EUR", 4: "EUR"} {
			if e := l.expense(id(n)); e.Home.Currency().Code() != want {
				l.t.Errorf("expense %d is converted into %s", n, e.Home.Currency())
			}
		}
	})
}

// TestPush_DueOccurrences: mutations that change rules post their due occurrences first, in as many Updates as it
// takes.
func TestPush_DueOccurrences(t *testing.T) {
	for _, c := range []struct {
		name   string
		starts []string // of daily rules that are paused in one push
		posted int
	}{
		{"in one update", []string{"2026-01-01", "2026-02-01"}, 67 + 36},
		{"in two updates", []string{"2025-03-08", "2025-03-08"}, 2 * 366},
		{"after a catch-up", []string{"2026-03-01", "2023-03-08"}, 8 + 1097},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t, memstore.New())
			var pauses []replica.Mutation
			for n, start := range c.starts {
				row := ref(store.RuleRow, n+1)
				l.edit(row, change(row.Type, "put", fields{"amount": "1", "freq": "daily", "start_date": start}))
				pauses = append(pauses, mutation(fmt.Sprint("pause", n), row, change(row.Type, "patch", fields{"paused": "true"})))
			}
			results, err := replica.Push(t.Context(), l.st, l.owner, env(), replica.PushRequest{Mutations: pauses})
			l.check(err)
			for i, result := range results {
				// Those that were applied in an earlier Update are replayed.
				if result.Status != replica.Applied || result.Version == 0 {
					t.Errorf("mutation %d: %+v", i, result)
				}
			}
			posted := 0
			for _, err := range l.st.Reader(l.owner).Expenses(t.Context(), expense.Query{}) {
				l.check(err)
				posted++
			}
			if posted != c.posted {
				t.Errorf("%d expenses were posted, want %d", posted, c.posted)
			}
		})
	}
}

// TestPush_TooManyDueOccurrences: a rule cannot be posted because its category is archived. It is not changed to terms
// by which too many occurrences would be due.
func TestPush_TooManyDueOccurrences(t *testing.T) {
	l := newLedger(t, memstore.New())
	l.edit(ref(store.CategoryRow, 1), change(store.CategoryRow, "put", fields{"name": "Pets"}))
	row := ref(store.RuleRow, 2)
	content := fields{"amount": "1", "freq": "monthly", "start_date": "2010-01-01", "category_id": id(1).String()}
	l.edit(row, change(row.Type, "put", content))
	l.edit(ref(store.CategoryRow, 1), change(store.CategoryRow, "patch", fields{"archived": "true"}))
	daily := mutation("daily", row, change(row.Type, "patch", fields{"freq": "daily"}))
	other := mutation("other", ref(store.ExpenseRow, 3), change(store.ExpenseRow, "put", fields{"amount": "1"}))
	req := replica.PushRequest{Mutations: []replica.Mutation{daily, other}}
	results, err := replica.Push(t.Context(), l.st, l.owner, env(), req)
	l.check(err)
	if status(results[0]) != "rejected invalid" || status(results[1]) != "applied" {
		t.Errorf("results: %+v", results)
	}
	if e := l.expense(expense.OccurrenceID(row.ID, expense.MustDate("2010-01-01"))); e.Version != 0 {
		t.Errorf("an expense was posted: %v", e)
	}
}

// TestPush_MalformedMutation pushes mutations that break the documented rules of their fields. Nothing is applied.
func TestPush_MalformedMutation(t *testing.T) {
	type edit = func(m *replica.Mutation)
	cases := map[string]edit{
		"no id":                   func(m *replica.Mutation) { m.ID = "" },
		"an id of 256 bytes":      func(m *replica.Mutation) { m.ID = strings.Repeat("x", 256) },
		"an id with NUL":          func(m *replica.Mutation) { m.ID = "m\x00" },
		"an id that is not UTF-8": func(m *replica.Mutation) { m.ID = "m\xff" },
		"a base with NUL":         func(m *replica.Mutation) { m.BaseMutation = "m\x00" },
		"a base of 256 bytes":     func(m *replica.Mutation) { m.BaseMutation = strings.Repeat("x", 256) },
		"two bases":               func(m *replica.Mutation) { m.BaseVersion, m.BaseMutation = 1, "good" },
		"a negative base version": func(m *replica.Mutation) { m.BaseVersion = -1 },
		"no fingerprint":          func(m *replica.Mutation) { m.Fingerprint = nil },
		"a fingerprint too long":  func(m *replica.Mutation) { m.Fingerprint = make([]byte, 65) },
		"no change":               func(m *replica.Mutation) { m.Change = nil },
		"no row":                  func(m *replica.Mutation) { m.Row = replica.RowRef{} },
		"a row without an id":     func(m *replica.Mutation) { m.Row.ID = uuid.Nil },
		"a row of another type":   func(m *replica.Mutation) { m.Row.Type = store.BudgetRow },
		"a row of an unknown one": func(m *replica.Mutation) { m.Row.Type = 99 },
		"settings with an id": func(m *replica.Mutation) {
			m.Row.Type, m.Change = store.SettingsRow, replica.PatchSettings{}
		},
		"a delete of an unknown type": func(m *replica.Mutation) {
			m.Row.Type, m.Change = 99, replica.Delete{}
		},
		"an error and an unknown type": func(m *replica.Mutation) {
			m.Row.Type, m.Change, m.Err = 99, nil, errors.New("not decoded")
		},
		"a nil pointer": func(m *replica.Mutation) { m.Change = (*replica.PutExpense)(nil) },
	}
	for _, pointer := range []struct {
		row    store.RowType
		change replica.Edit
	}{
		{store.ExpenseRow, &replica.PutExpense{Draft: expense.Draft{Amount: "6"}}},
		{store.ExpenseRow, &replica.PatchExpense{Patch: expense.Patch{Amount: new("6")}}},
		{store.ExpenseRow, &replica.PatchCategory{}},
		{store.ExpenseRow, &replica.Delete{}},
		{store.CategoryRow, &replica.PutCategory{Draft: expense.CategoryDraft{Name: "Pets"}}},
		{store.CategoryRow, &replica.PatchCategory{}},
		{store.BudgetRow, &replica.PutBudget{Draft: budget.Draft{Amount: "6"}}},
		{store.BudgetRow, &replica.PatchBudget{}},
		{store.RuleRow, &replica.PutRule{}},
		{store.RuleRow, &replica.PatchRule{}},
		{store.AlertRow, &replica.MarkAlertRead{}},
		{store.SettingsRow, &replica.PutSettings{}},
		{store.SettingsRow, &replica.PatchSettings{}},
	} {
		cases[fmt.Sprintf("a %T for a row of type %s", pointer.change, pointer.row)] = func(m *replica.Mutation) {
			m.Row.Type, m.Change = pointer.row, pointer.change
			if pointer.row == store.SettingsRow {
				m.Row.ID = uuid.Nil
			}
		}
	}
	onEachStore(t, func(l ledger) {
		good := mutation("good", ref(store.ExpenseRow, 1), replica.PutExpense{Draft: expense.Draft{Amount: "5"}})
		for name, change := range cases {
			bad := good
			bad.ID = "bad"
			change(&bad)
			before := l.state()
			req := replica.PushRequest{Mutations: []replica.Mutation{good, bad}}
			if _, err := replica.Push(l.t.Context(), l.st, l.owner, env(), req); !errors.Is(err, expense.ErrInvalid) {
				l.t.Errorf("%s: Push returned %v, want ErrInvalid", name, err)
			}
			if after := l.state(); after != before {
				l.t.Errorf("%s: the ledger changed from %+v to %+v", name, before, after)
			}
		}
		if got := l.push(good)[0]; got.Replayed || got.Status != replica.Applied {
			l.t.Errorf("afterwards, a correct mutation: %+v", got)
		}
	})
}

// TestPush_DecodingUnavailable: an Err that is temporary fails the push, and the mutation can be sent again.
func TestPush_DecodingUnavailable(t *testing.T) {
	l := newLedger(t, memstore.New())
	good := mutation("m", ref(store.ExpenseRow, 1), change(store.ExpenseRow, "put", fields{"amount": "5"}))
	unavailable := good
	unavailable.Err = fmt.Errorf("decode: %w", expense.ErrUnavailable)
	req := replica.PushRequest{Mutations: []replica.Mutation{unavailable}}
	if _, err := replica.Push(t.Context(), l.st, l.owner, env(), req); !errors.Is(err, expense.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	if got := l.push(good)[0]; got.Replayed || got.Status != replica.Applied {
		t.Errorf("the mutation, sent again: %+v", got)
	}
}

// A failingStore is a store in which the last write of some use cases fails.
type failingStore struct{ store.Store }

func (s failingStore) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, owner, func(tx store.Tx) error { return fn(failingTx{tx}) })
}

// A failingTx returns a field error from the methods that the use cases of TestPush_PartialWrite call last.
type failingTx struct{ store.Tx }

var errField = &expense.InvalidError{Field: "name", Code: "too_long", Detail: "a field error after a write"}

func (failingTx) PutBudgets(context.Context, ...budget.Budget) (expense.Version, error) {
	return 0, errField
}

func (failingTx) PutRules(context.Context, ...recurrence.Rule) (expense.Version, error) {
	return 0, errField
}

func (failingTx) DeleteRule(context.Context, uuid.UUID) (expense.Version, error) { return 0, errField }

func (failingTx) MergeCategory(
	context.Context, uuid.UUID, uuid.UUID, expense.Month,
) (result expense.MergeResult, err error) {
	return result, errField
}

// TestPush_PartialWrite: a use case that writes and then returns a field error fails the push. Nothing of the mutation
// stays, neither its writes nor a result.
func TestPush_PartialWrite(t *testing.T) {
	onEachStore(t, func(l ledger) {
		rule, other := ref(store.RuleRow, 2), ref(store.RuleRow, 6)
		l.edit(ref(store.BudgetRow, 1), change(store.BudgetRow, "put", fields{"amount": "100"}))
		for _, row := range []replica.RowRef{rule, other} {
			l.edit(row, change(row.Type, "put", fields{"amount": "1", "freq": "daily", "start_date": "2026-03-01"}))
		}
		l.edit(ref(store.CategoryRow, 3), change(store.CategoryRow, "put", fields{"name": "Pets"}))
		first := mutation("first", ref(store.ExpenseRow, 4), change(store.ExpenseRow, "put", fields{"amount": "2"}))
		for _, m := range []replica.Mutation{
			mutation("pause", rule, change(rule.Type, "patch", fields{"paused": "true"})),
			mutation("name", ref(store.CategoryRow, 5), change(store.CategoryRow, "put", fields{"name": "Pets"})),
			mutation("home", replica.RowRef{Type: store.SettingsRow},
				change(store.SettingsRow, "patch", fields{"home_currency": "USD"})),
			mutation("delete", other, replica.Delete{}),
		} {
			before := l.state()
			req := replica.PushRequest{Mutations: []replica.Mutation{first, m}}
			results, err := replica.Push(l.t.Context(), failingStore{l.st}, l.owner, env(), req)
			if err == nil || errors.Is(err, expense.ErrInvalid) || !strings.Contains(err.Error(), errField.Detail) {
				l.t.Errorf("%s: results %+v, error %v; want an error of the push", m.ID, results, err)
			}
			if after := l.state(); after != before {
				l.t.Errorf("%s: the ledger changed from %+v to %+v", m.ID, before, after)
			}
			if got := l.push(m)[0]; got.Replayed || got.Err != nil {
				l.t.Errorf("%s: sent again without the failure: %+v", m.ID, got)
			}
		}
	})
}
