package replica_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/replica"
)

func TestPush_OneUpdate(t *testing.T) {
	onEachStore(t, func(l ledger) {
		put := func(amount string) replica.Change { return change(store.ExpenseRow, "put", fields{"amount": amount}) }
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
	good := replica.Mutation{
		ID: "m", Fingerprint: []byte{1}, Row: replica.RowRef{Type: store.ExpenseRow, ID: uuid.New()},
		Change: replica.PutExpense{Draft: expense.Draft{Amount: "5"}},
	}
	for name, change := range map[string]func(m *replica.Mutation){
		"no id":                   func(m *replica.Mutation) { m.ID = "" },
		"an id of 256 bytes":      func(m *replica.Mutation) { m.ID = strings.Repeat("x", 256) },
		"no fingerprint":          func(m *replica.Mutation) { m.Fingerprint = nil },
		"a fingerprint too long":  func(m *replica.Mutation) { m.Fingerprint = make([]byte, 65) },
		"no change":               func(m *replica.Mutation) { m.Change = nil },
		"no row":                  func(m *replica.Mutation) { m.Row = replica.RowRef{} },
		"a row of another type":   func(m *replica.Mutation) { m.Row.Type = store.BudgetRow },
		"a row of an unknown one": func(m *replica.Mutation) { m.Row.Type = 99 },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t, memstore.New())
			bad := good
			change(&bad)
			before, err := l.st.Reader(l.owner).State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			mutations := []replica.Mutation{good, bad}
			_, err = replica.Push(t.Context(), l.st, l.owner, env(), replica.PushRequest{Mutations: mutations})
			if !errors.Is(err, expense.ErrInvalid) {
				t.Errorf("Push returned %v, want ErrInvalid", err)
			}
			if after, err := l.st.Reader(l.owner).State(t.Context()); err != nil || after != before {
				t.Errorf("the ledger changed from %+v to %+v (error %v)", before, after, err)
			}
		})
	}
}
