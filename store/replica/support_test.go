package replica_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/replica"
	"github.com/spendwise/spendwise/store/sqlite"
)

// noon is the time of every push: a Sunday.
var noon = time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC)

// testRates has the rates of one Friday, in units of EUR.
type testRates struct{}

func (testRates) Rate(from, to expense.Currency, on expense.Date) (expense.Rate, bool) {
	day := expense.MustDate("2026-03-06")
	values := map[string]string{"USD/EUR": "0.8", "EUR/USD": "1.25", "JPY/EUR": "0.0055", "JPY/USD": "0.006875"}
	value, ok := values[from.Code()+"/"+to.Code()]
	if !ok || on.Before(day) {
		return expense.Rate{}, false
	}
	return expense.Rate{Value: expense.MustFactor(value), Date: day, Source: "ecb"}, true
}

func env() expense.Env { return expense.Env{Now: noon, Rates: testRates{}} }

// onEachStore runs a test over each store.
func onEachStore(t *testing.T, test func(l ledger)) {
	t.Helper()
	t.Run("memstore", func(t *testing.T) { test(newLedger(t, memstore.New())) })
	t.Run("sqlite", func(t *testing.T) { test(newLedger(t, openSQLite(t, filepath.Join(t.TempDir(), "ledger.db")))) })
	t.Run("postgres", func(t *testing.T) { test(newLedger(t, openPostgres(t, pgtest.New(t)))) })
}

func openSQLite(t testing.TB, file string) *sqlite.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), file, sqlite.SynchronousNormal())
	if err == nil {
		err = st.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func openPostgres(t testing.TB, dsn string) store.Store {
	t.Helper()
	st, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// A ledger is one owner's ledger, with methods that fail the test instead of returning an error.
type ledger struct {
	t     testing.TB
	st    store.Store
	owner expense.OwnerID
}

// newLedger creates anna's ledger, and closes the store after the test.
func newLedger(t testing.TB, st store.Store) ledger {
	t.Helper()
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return ledger{t, st, "anna"}.create()
}

func (l ledger) create() ledger {
	l.t.Helper()
	ledgertest.Create(l.t, l.st, l.owner, noon, expense.SettingsDraft{})
	return l
}

// as returns the ledger of another owner.
func (l ledger) as(owner expense.OwnerID) ledger {
	l.owner = owner
	return l.create()
}

func (l ledger) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l ledger) update(fn func(tx store.Tx) error) {
	l.t.Helper()
	l.check(l.st.Update(l.t.Context(), l.owner, fn))
}

func (l ledger) state() store.State {
	l.t.Helper()
	state, err := l.st.Reader(l.owner).State(l.t.Context())
	l.check(err)
	return state
}

func (l ledger) settings() expense.Settings {
	l.t.Helper()
	settings, err := l.st.Reader(l.owner).Settings(l.t.Context())
	l.check(err)
	return settings
}

// expense returns an expense; the zero Expense if there is none.
func (l ledger) expense(id uuid.UUID) expense.Expense {
	l.t.Helper()
	row := l.row(replica.RowRef{Type: store.ExpenseRow, ID: id})
	e, _ := row.(expense.Expense)
	return e
}

// row returns a row, or nil if there is none.
func (l ledger) row(ref replica.RowRef) any {
	l.t.Helper()
	var row any
	var err error
	switch ctx, r := l.t.Context(), l.st.Reader(l.owner); ref.Type {
	case store.CategoryRow:
		row, err = r.Category(ctx, ref.ID)
	case store.BudgetRow:
		row, err = r.Budget(ctx, ref.ID)
	case store.RuleRow:
		row, err = r.Rule(ctx, ref.ID)
	default:
		row, err = r.Expense(ctx, ref.ID)
	}
	if errors.Is(err, expense.ErrNotFound) {
		return nil
	}
	l.check(err)
	return row
}

// pull fetches all changes after a cursor, in pages of a size.
func (l ledger) pull(after replica.Cursor, size int) (changes []store.Change, cursor replica.Cursor) {
	l.t.Helper()
	for {
		page, err := replica.Pull(l.t.Context(), l.st, l.owner, replica.PullRequest{After: after, Limit: size})
		l.check(err)
		changes, after = append(changes, page.Changes...), page.Cursor
		if !page.HasMore {
			return changes, after
		}
	}
}

// push pushes mutations and returns their results. It checks that the push writes no row unless a mutation is applied
// or merged.
func (l ledger) push(mutations ...replica.Mutation) []replica.Result {
	l.t.Helper()
	before := l.state()
	req := replica.PushRequest{Mutations: mutations, Encode: encode}
	results, err := replica.Push(l.t.Context(), l.st, l.owner, env(), req)
	l.check(err)
	changed := slices.ContainsFunc(results, func(r replica.Result) bool {
		return !r.Replayed && (r.Status == replica.Applied || r.Status == replica.Merged)
	})
	if after := l.state(); after != before && !changed {
		l.t.Errorf(
			"a push without effect has moved the ledger from version %d to %d: %v", before.Version, after.Version, results,
		)
	}
	return results
}

// edit does a change without a base, and returns the row's version afterwards.
func (l ledger) edit(ref replica.RowRef, change replica.Edit) expense.Version {
	l.t.Helper()
	result := l.push(mutation(uuid.NewString(), ref, change))[0]
	if result.Err != nil {
		l.t.Fatalf("edit %v: %v", ref, result.Err)
	}
	return result.Version
}

// encode stands for a server's encoding of a result.
func encode(r replica.Result) ([]byte, error) {
	return fmt.Appendf(nil, "%s %s %d %v %v", r.MutationID, status(r), r.Version, r.Row, r.Err), nil
}

// mutation returns a mutation without a base. Its fingerprint depends on its id alone.
func mutation(id string, ref replica.RowRef, change replica.Edit) replica.Mutation {
	sum := sha256.Sum256([]byte(id))
	return replica.Mutation{ID: id, Fingerprint: sum[:], Row: ref, Change: change}
}

func based(m replica.Mutation, base expense.Version) replica.Mutation {
	m.BaseVersion = base
	return m
}

func upon(m replica.Mutation, earlier string) replica.Mutation {
	m.BaseMutation = earlier
	return m
}

// status returns the status of a result and, if there is one, the kind of its error.
func status(r replica.Result) string {
	texts := []string{r.Status.String()}
	if r.Err != nil {
		texts = append(texts, errorKind(r.Err))
	}
	return strings.Join(texts, " ")
}

// id returns the n-th id of a test.
func id(n int) uuid.UUID { return uuid.MustParse(fmt.Sprintf("0190a6f0-5c2b-7d6e-9a3f-%012d", n)) }

func ref(t store.RowType, n int) replica.RowRef { return replica.RowRef{Type: t, ID: id(n)} }

// Fields are the fields of a draft or a patch by their names on the wire.
type fields map[string]string

func (f fields) get(name string) *string {
	if value, ok := f[name]; ok {
		return &value
	}
	return nil
}

func (f fields) list(name string) []string {
	if f[name] == "" {
		return nil
	}
	return strings.Split(f[name], " ")
}

func (f fields) flag(name string) *bool {
	if value, ok := f[name]; ok {
		return new(value == "true")
	}
	return nil
}

// change returns the change that an op and its fields stand for.
func change(t store.RowType, op string, f fields) replica.Edit {
	settings := replica.SettingsChange{Draft: expense.SettingsDraft{
		HomeCurrency: f.get("home_currency"), TimeZone: f.get("time_zone"), Locale: f.get("locale"),
		DefaultCategoryID: f.get("default_category_id"),
	}}
	rule := recurrence.Draft{
		Amount: f.get("amount"), Currency: f.get("currency"), CategoryID: f.get("category_id"), Notes: f.get("notes"),
		Freq: f.get("freq"), Start: f.get("start_date"), Paused: f.flag("paused"),
	}
	switch {
	case op == "delete":
		return replica.Delete{}
	case t == store.ExpenseRow && op == "put":
		return replica.PutExpense{Draft: expense.Draft{
			Amount: f["amount"], Currency: f["currency"], Date: f["date"], CategoryID: f["category_id"], Notes: f.get("notes"),
			RuleID: f["rule_id"], Occurrence: f["occurrence"],
		}}
	case t == store.ExpenseRow:
		return replica.PatchExpense{Patch: expense.Patch{
			Amount: f.get("amount"), Currency: f.get("currency"), Date: f.get("date"), CategoryID: f.get("category_id"),
			Notes: f.get("notes"), Rate: f.get("rate"),
		}}
	case t == store.CategoryRow && op == "put":
		return replica.PutCategory{Draft: expense.CategoryDraft{Name: f["name"], Colour: f.get("colour")}}
	case t == store.CategoryRow:
		return replica.PatchCategory{
			Patch: expense.CategoryPatch{Name: f.get("name"), Colour: f.get("colour"), Archived: f.flag("archived")},
		}
	case t == store.BudgetRow && op == "put":
		return replica.PutBudget{Draft: budget.Draft{
			CategoryID: f["category_id"], FromMonth: f["from_month"], Amount: f["amount"], AlertAt: f.list("alert_at"),
		}}
	case t == store.BudgetRow:
		return replica.PatchBudget{Patch: budget.Patch{Amount: f.get("amount")}}
	case t == store.RuleRow && op == "put":
		return replica.PutRule{Draft: rule}
	case t == store.RuleRow:
		return replica.PatchRule{Draft: rule}
	case t == store.AlertRow:
		return replica.MarkAlertRead{}
	case op == "put":
		return replica.PutSettings(settings)
	default:
		return replica.PatchSettings(settings)
	}
}

// errorKind returns the name that the tests' tables use for a kind of error.
func errorKind(err error) string {
	for _, kind := range []struct {
		err  error
		name string
	}{
		{expense.ErrInvalid, "invalid"}, {replica.ErrConflict, "conflict"}, {expense.ErrExists, "exists"},
		{expense.ErrGone, "gone"},
		{expense.ErrInUse, "in_use"}, {expense.ErrNotFound, "not_found"}, {replica.ErrMutationIDReused, "id_reused"},
	} {
		if errors.Is(err, kind.err) {
			return kind.name
		}
	}
	return err.Error()
}
