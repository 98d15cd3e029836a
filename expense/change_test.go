package expense_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func TestChange_KeepsOrRenewsConversion(t *testing.T) {
	later := prices{"USD": {"2026-03-06": "2", "2026-03-09": "2", "2026-03-10": "2"}, "JPY": march["JPY"]}
	table := expense.Draft{Amount: "11.80", Currency: "USD"}
	hand := expense.Draft{Amount: "11.80", Currency: "USD", Rate: "0.9"}
	tests := []struct {
		name       string
		draft      expense.Draft
		patch      expense.Patch
		rates      expense.Rates
		rate, home string
		source     expense.Source
	}{
		{"other notes leave it", table, expense.Patch{Notes: new("x")}, later, "0.847457627118644068", "10.00", "test"},
		{
			"another category leaves it", table, expense.Patch{Category: new("Food")}, later, "0.847457627118644068", "10.00",
			"test",
		},
		{
			"the same amount leaves it", table,
			expense.Patch{Amount: new("11.8"), Date: new("2026-03-10"), Currency: new("USD")}, later, "0.847457627118644068",
			"10.00", "test",
		},
		{"another amount takes the table's rate", table, expense.Patch{Amount: new("20")}, later, "0.5", "10.00", "test"},
		{
			"another amount keeps the rate there is when the table has none", table, expense.Patch{Amount: new("23.60")}, nil,
			"0.847457627118644068", "20.00", "test",
		},
		{"another date without a price is pending", table, expense.Patch{Date: new("2026-03-09")}, nil, "", "0.00", ""},
		{
			"another currency", table, expense.Patch{Currency: new("JPY"), Amount: new("185")}, march, "0.00540540540540540541",
			"1.00", "test",
		},
		{"the home currency", table, expense.Patch{Currency: new("EUR")}, march, "1", "11.80", expense.SourceIdentity},
		{"a rate by hand", table, expense.Patch{Rate: new("0.5")}, march, "0.5", "5.90", expense.SourceUser},
		{
			"its own rate again changes nothing", table, expense.Patch{Rate: new("0.847457627118644068")}, later,
			"0.847457627118644068", "10.00", "test",
		},
		{
			"a rate by hand outlives another amount", hand, expense.Patch{Amount: new("10")}, march, "0.9", "9.00",
			expense.SourceUser,
		},
		{"and another date", hand, expense.Patch{Date: new("2026-03-09")}, march, "0.9", "10.62", expense.SourceUser},
		{
			"but not another currency", hand, expense.Patch{Currency: new("JPY"), Amount: new("185")}, march,
			"0.00540540540540540541", "1.00", "test",
		},
		{"nor being dropped", hand, expense.Patch{Rate: new("")}, march, "0.847457627118644068", "10.00", "test"},
		{"dropped without a price is pending", hand, expense.Patch{Rate: new("")}, nil, "", "0.00", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := openLedger(t, "EUR", march)
			old := b.add(tt.draft)
			b.env.Rates = tt.rates
			e := b.change(old, tt.patch)
			if e.Rate.Value.String() != tt.rate || e.Home.Amount() != tt.home || e.Rate.Source != tt.source {
				t.Errorf(
					"rate %v from %q gives %v, want %s from %q and %s", e.Rate.Value, e.Rate.Source, e.Home, tt.rate, tt.source,
					tt.home,
				)
			}
			if e.Rate.Source == expense.SourceUser && e.Rate.Date != e.Date {
				t.Errorf("a user's own rate is of %v, want the expense's date %v", e.Rate.Date, e.Date)
			}
			wantGuard := map[bool]expense.Version{true: old.Guard, false: e.Version}[e.SameGuardedFields(old)]
			if e.Guard != wantGuard {
				t.Errorf("guard %d, want %d", e.Guard, wantGuard)
			}
		})
	}
}

func TestChange_WithoutDifferenceKeepsVersion(t *testing.T) {
	b := openLedger(t, "EUR", march)
	e := b.add(expense.Draft{Amount: "5", Category: "Food", Notes: new("Bread")})
	b.env.Now = noon.AddDate(0, 0, 1)
	if same := b.change(e, expense.Patch{Amount: new("5.00"), Category: new("food"), Notes: new("Bread")}); same != e {
		t.Errorf("got %+v, want %+v", same, e)
	}
	if next := b.add(expense.Draft{Amount: "1"}); next.Version != e.Version+1 {
		t.Errorf("the next version is %d, want %d", next.Version, e.Version+1)
	}
}

func TestChange_RejectsInvalidPatches(t *testing.T) {
	b := openLedger(t, "EUR", march)
	e := b.add(expense.Draft{Amount: "12.34"})
	_, err := b.tryChange(
		e.ID, expense.Patch{Currency: new("JPY"), Date: new("2026-13-01"), Rate: new("-1"), CategoryID: new("?")},
		expense.Precondition{},
	)
	wantFieldErrors(t, err,
		"amount too_many_digits", "date impossible_date", "rate malformed_rate", "category_id malformed_id")
	_, err = b.tryChange(e.ID, expense.Patch{Amount: new("0"), Currency: new("x")}, expense.Precondition{})
	wantFieldErrors(t, err, "currency unknown_currency", "amount zero")
	if stored := b.get(e.ID); stored != e {
		t.Errorf("stored is %+v, want %+v", stored, e)
	}
	if _, err := b.tryChange(uuid.New(), expense.Patch{}, expense.Precondition{}); !errors.Is(err, expense.ErrNotFound) {
		t.Errorf("changing what never was: %v", err)
	}
}

func TestChange_KeepsValuesThatAddRejects(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	e := b.add(expense.Draft{Amount: "1", Currency: "DEM", Date: "1999-01-01", Category: "Food"})
	archived := true
	err := b.update(func(tx store.Tx) error {
		_, err := expense.ChangeCategory(
			t.Context(), tx, b.env, e.CategoryID, expense.CategoryPatch{Archived: &archived}, expense.Precondition{},
		)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	changed := b.change(e, expense.Patch{Amount: new("2"), CategoryID: new(e.CategoryID.String())})
	if changed.Amount.String() != "2.00 DEM" {
		t.Errorf("got %v", changed.Amount)
	}
}

// The Deutsche Mark was legal tender until 2002. The date of an expense in marks can change until then, but not to a
// later day, and an expense of today cannot change to marks.
func TestChange_RejectsEndedCurrency(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	marks, euros := b.add(expense.Draft{
		Amount: "1", Currency: "DEM", Date: "1999-01-01",
	}), b.add(expense.Draft{Amount: "1"})
	_, err := b.tryChange(marks.ID, expense.Patch{Date: new(euros.Date.String())}, expense.Precondition{})
	wantFieldErrors(t, err, "currency currency_ended")
	_, err = b.tryChange(euros.ID, expense.Patch{Currency: new("DEM")}, expense.Precondition{})
	wantFieldErrors(t, err, "currency currency_ended")
	if moved := b.change(marks, expense.Patch{Date: new("1998-12-31")}); moved.Date.String() != "1998-12-31" {
		t.Errorf("it is of %s", moved.Date)
	}
	changed := b.change(euros, expense.Patch{Currency: new("DEM"), Date: new("1998-12-31")})
	if changed.Amount.String() != "1.00 DEM" {
		t.Errorf("it is %s", changed.Amount)
	}
}

func TestReplace_AcceptsRate(t *testing.T) {
	b := openLedger(t, "EUR", march)
	e := b.add(expense.Draft{Amount: "10", Currency: "USD"})
	err := b.update(func(tx store.Tx) error {
		_, err := expense.Replace(
			t.Context(), tx, b.env, expense.Draft{ID: e.ID.String(), Amount: "10", Currency: "USD", Rate: "0.5"},
			expense.Precondition{Present: true},
		)
		return err
	})
	if stored := b.get(e.ID); err != nil || stored.Home.String() != "5.00 EUR" || stored.Rate.Value.String() != "0.5" {
		t.Errorf("stored %+v, %v", stored, err)
	}
}

func TestPrecondition_Check(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	e := b.add(expense.Draft{Amount: "5"})
	tests := []struct {
		name string
		cond expense.Precondition
		ok   bool
	}{
		{"none", expense.Precondition{}, true},
		{"the version", expense.Precondition{Versions: []expense.Version{e.Version}}, true},
		{"one of several", expense.Precondition{Versions: []expense.Version{77, e.Version}}, true},
		{"any", expense.Precondition{Present: true}, true},
		{"another version", expense.Precondition{Versions: []expense.Version{77}}, false},
		{"absent", expense.Precondition{Absent: true}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := b.tryChange(e.ID, expense.Patch{}, tt.cond)
			var stale *expense.StaleError
			if tt.ok && err != nil || !tt.ok &&
				(!errors.As(err, &stale) || stale.Current != e.Version || !reflect.DeepEqual(stale.Required, tt.cond) ||
					!errors.Is(err, expense.ErrStale)) {
				t.Errorf("error %v", err)
			}
			err = b.update(func(tx store.Tx) error {
				err := expense.Delete(t.Context(), tx, e.ID, tt.cond)
				if err == nil {
					err = errUndo
				}
				return err
			})
			if want := map[bool]error{true: errUndo, false: expense.ErrStale}[tt.ok]; !errors.Is(err, want) {
				t.Errorf("deleting: %v, want %v", err, want)
			}
		})
	}
}

var errUndo = errors.New("undo")

func TestReplace(t *testing.T) {
	id := uuid.New()
	original := expense.Draft{ID: id.String(), Amount: "11.80", Currency: "USD", Category: "Food", Notes: new("Lunch")}
	other := expense.Draft{ID: id.String(), Amount: "1", Date: "2026-03-09"}
	tests := []struct {
		name    string
		exists  bool
		draft   expense.Draft
		cond    expense.Precondition
		want    error
		created bool
	}{
		{"makes what is not there", false, original, expense.Precondition{}, nil, true},
		{"makes what must not be there", false, original, expense.Precondition{Absent: true}, nil, true},
		{"does not make what must be there", false, original, expense.Precondition{Present: true}, expense.ErrStale, false},
		{
			"does not make another version", false, original, expense.Precondition{Versions: []expense.Version{2}},
			expense.ErrStale, false,
		},
		{"the same again", true, original, expense.Precondition{}, nil, false},
		{
			"the same again under a stale version", true, original, expense.Precondition{Versions: []expense.Version{1}}, nil,
			false,
		},
		{"the same again though it was to be new", true, original, expense.Precondition{Absent: true}, nil, false},
		{"other content needs a condition", true, other, expense.Precondition{}, expense.ErrPreconditionRequired, false},
		{
			"other content under a stale version", true, other, expense.Precondition{Versions: []expense.Version{1}},
			expense.ErrStale, false,
		},
		{"other content that was to be new", true, other, expense.Precondition{Absent: true}, expense.ErrStale, false},
		{"other content under the version", true, other, expense.Precondition{Versions: []expense.Version{2}}, nil, false},
		{"bad content", true, expense.Draft{ID: id.String()}, expense.Precondition{Present: true}, expense.ErrInvalid, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := openLedger(t, "EUR", march)
			var before expense.Expense
			if tt.exists {
				before = b.add(original)
			}
			var added expense.PutResult
			err := b.update(func(tx store.Tx) (err error) {
				added, err = expense.Replace(t.Context(), tx, b.env, tt.draft, tt.cond)
				return err
			})
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err != nil {
				if all := b.all(); tt.exists && (len(all) != 1 || all[0] != before) || !tt.exists && len(all) != 0 {
					t.Errorf("the ledger changed: %+v", all)
				}
				return
			}
			if stored := b.get(id); stored != added.Expense || added.Created != tt.created {
				t.Errorf("got %+v, stored %+v", added, stored)
			}
			if tt.draft.Amount == other.Amount {
				e := added.Expense
				if e.Amount.String() != "1.00 EUR" || e.Notes != "" || e.CategoryID != b.category("Other").ID ||
					e.Date.String() != "2026-03-09" {
					t.Errorf("what was not given is not the default: %+v", e)
				}
				if e.CreatedAt != before.CreatedAt {
					t.Errorf("the time of creation moved")
				}
			}
		})
	}
}
