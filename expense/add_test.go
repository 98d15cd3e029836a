package expense_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func ExampleAdd() {
	// The ledger's home currency is the euro. Inside store.Update:
	//	added, err := expense.Add(ctx, tx, env, draft)
	draft := expense.Draft{
		Amount: "1000", Currency: "JPY", Date: "2026-03-08", Category: "travel", Notes: new("Shinkansen snack"),
	}
	fmt.Println(draft.Amount, draft.Currency, draft.Category)
	// Output: 1000 JPY travel
}

func TestAdd_FillsDefaults(t *testing.T) {
	b := openLedger(t, "EUR", march)
	e := b.add(expense.Draft{Amount: "12.50"})
	if e.Amount != expense.MustMoney("12.50", "EUR") || e.Home != e.Amount {
		t.Errorf("amount %v, home %v, want 12.50 EUR for both", e.Amount, e.Home)
	}
	if e.Date != expense.MustDate("2026-03-10") {
		t.Errorf("date %v, want today", e.Date)
	}
	if e.CategoryID != b.category("other").ID {
		t.Errorf("category %v, want the default", e.CategoryID)
	}
	if e.Rate.Source != expense.SourceIdentity || e.Rate.Value.String() != "1" || e.Rate.Date != e.Date {
		t.Errorf("rate %+v, want the identity of the day", e.Rate)
	}
	if e.ID.Version() != 7 || e.Version != 2 || e.Guard != 2 || e != b.get(e.ID) {
		t.Errorf("got %+v, stored %+v", e, b.get(e.ID))
	}
}

func TestAdd_DefaultDateIsTodayInLedgerZone(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	zone := "Pacific/Kiritimati" // UTC+14: at noon UTC, the date there is the next day
	err := b.update(func(tx store.Tx) error {
		_, err := expense.ChangeSettings(
			t.Context(), tx, b.env, expense.SettingsDraft{TimeZone: &zone}, expense.Precondition{},
		)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if e := b.add(expense.Draft{Amount: "1"}); e.Date != expense.MustDate("2026-03-11") {
		t.Errorf("date %v, want 2026-03-11", e.Date)
	}
}

func TestAdd_ConvertsToHomeCurrency(t *testing.T) {
	tests := []struct {
		name             string
		draft            expense.Draft
		rate, date, home string
		source           expense.Source
	}{
		{
			"the price of the day", expense.Draft{Amount: "1000", Currency: "JPY", Date: "2026-03-10"}, "0.00540540540540540541",
			"2026-03-10", "5.41", "test",
		},
		{
			"a Sunday takes Friday's price", expense.Draft{Amount: "11.60", Currency: "USD", Date: "2026-03-08"},
			"0.862068965517241379", "2026-03-06", "10.00", "test",
		},
		{
			"seven days back are near enough", expense.Draft{Amount: "-11.80", Currency: "USD", Date: "2026-03-17"},
			"0.847457627118644068", "2026-03-10", "-10.00", "test",
		},
		{"eight are not", expense.Draft{Amount: "11.80", Currency: "USD", Date: "2026-03-18"}, "", "", "0.00", ""},
		{
			"a later price is never taken", expense.Draft{Amount: "11.80", Currency: "USD", Date: "2026-03-05"}, "", "", "0.00",
			"",
		},
		{"a currency without prices is pending", expense.Draft{Amount: "3.250", Currency: "KWD"}, "", "", "0.00", ""},
		{
			"a rate by hand wins", expense.Draft{Amount: "3.250", Currency: "KWD", Rate: "2.8"}, "2.8", "2026-03-10", "9.10",
			expense.SourceUser,
		},
		{
			"even over the table", expense.Draft{Amount: "100", Currency: "USD", Rate: "0.9"}, "0.9", "2026-03-10", "90.00",
			expense.SourceUser,
		},
		{
			"halves go away from zero", expense.Draft{Amount: "-0.5", Currency: "USD", Rate: "0.25"}, "0.25", "2026-03-10",
			"-0.13", expense.SourceUser,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := openLedger(t, "EUR", march)
			e := b.add(tt.draft)
			if e.Rate.Value.String() != tt.rate || e.Rate.Date.String() != tt.date || e.Rate.Source != tt.source ||
				e.Home.Amount() != tt.home {
				t.Errorf("rate %v of %v from %q gives %v, want %s of %s from %q and %s",
					e.Rate.Value, e.Rate.Date, e.Rate.Source, e.Home, tt.rate, tt.date, tt.source, tt.home)
			}
			if e.Pending() != (tt.rate == "") || e.Home.Currency().Code() != "EUR" {
				t.Errorf("pending %v, home %v", e.Pending(), e.Home)
			}
		})
	}
}

func TestAdd_RejectsInvalidDrafts(t *testing.T) {
	long := strings.Repeat("ä", 2001)
	tests := []struct {
		name  string
		draft expense.Draft
		want  []string
	}{
		{"nothing at all", expense.Draft{}, []string{"amount required"}},
		{"zero", expense.Draft{Amount: "0.00"}, []string{"amount zero"}},
		{"a cent too small", expense.Draft{Amount: "1.005"}, []string{"amount too_many_digits"}},
		{"a sen too many", expense.Draft{Amount: "1.01", Currency: "JPY"}, []string{"amount too_many_digits"}},
		{"an exponent", expense.Draft{Amount: "1e9000"}, []string{"amount malformed_amount"}},
		{"a decimal comma", expense.Draft{Amount: "1,50"}, []string{"amount malformed_amount"}},
		{"too large", expense.Draft{Amount: "10000000000000.00"}, []string{"amount too_large"}},
		{
			"too large at home", expense.Draft{Amount: "9999999999999.99", Currency: "USD", Rate: "1.1"},
			[]string{"amount too_large"},
		},
		{"an unknown currency", expense.Draft{Amount: "1", Currency: "EURO"}, []string{"currency unknown_currency"}},
		{"a currency in small letters", expense.Draft{Amount: "1", Currency: "eur"}, []string{"currency unknown_currency"}},
		{"a currency that has ended", expense.Draft{Amount: "1", Currency: "DEM"}, []string{"currency currency_ended"}},
		{"an impossible date", expense.Draft{Amount: "1", Date: "2026-02-29"}, []string{"date impossible_date"}},
		{"a date that is none", expense.Draft{Amount: "1", Date: "10.03.2026"}, []string{"date malformed_date"}},
		{"a date before 1900", expense.Draft{Amount: "1", Date: "1899-12-31"}, []string{"date out_of_range"}},
		{"a date too far ahead", expense.Draft{Amount: "1", Date: "2027-03-12"}, []string{"date out_of_range"}},
		{
			"an unknown category", expense.Draft{Amount: "1", CategoryID: uuid.NewString()},
			[]string{"category_id unknown_category"},
		},
		{"an unknown name", expense.Draft{Amount: "1", Category: "Yachts"}, []string{"category unknown_category"}},
		{
			"two categories", expense.Draft{Amount: "1", Category: "Food", CategoryID: uuid.NewString()},
			[]string{"category ambiguous", "category_id unknown_category"},
		},
		{
			"an amount that is missing beside a currency that has ended", expense.Draft{Currency: "DEM", Rate: "x"},
			[]string{"amount required", "currency currency_ended", "rate malformed_rate"},
		},
		{"notes too long", expense.Draft{Amount: "1", Notes: &long}, []string{"notes too_long"}},
		{"a control character", expense.Draft{Amount: "1", Notes: new("a\x00b")}, []string{"notes control_character"}},
		{"broken UTF-8", expense.Draft{Amount: "1", Notes: new("a\xffb")}, []string{"notes control_character"}},
		{"a rate of zero", expense.Draft{Amount: "1", Currency: "USD", Rate: "0"}, []string{"rate not_positive"}},
		{"a rate for the home currency", expense.Draft{Amount: "1", Rate: "1.1"}, []string{"rate not_identity"}},
		{
			"an occurrence without a rule", expense.Draft{Amount: "1", Occurrence: "2026-03-10"},
			[]string{"rule_id incomplete"},
		},
		{
			"a rule without an occurrence", expense.Draft{Amount: "1", RuleID: uuid.NewString()},
			[]string{"occurrence incomplete"},
		},
		{
			"a malformed occurrence without a rule", expense.Draft{Amount: "1", Occurrence: "x"},
			[]string{"rule_id incomplete", "occurrence malformed_date"},
		},
		{
			"a malformed rule without an occurrence", expense.Draft{Amount: "1", RuleID: "x"},
			[]string{"rule_id malformed_id", "occurrence incomplete"},
		},
		{
			"an unknown currency and an amount that is wrong in every currency",
			expense.Draft{Amount: "0.00", Currency: "EURO"}, []string{"currency unknown_currency", "amount zero"},
		},
		{
			"an occurrence under another id", expense.Draft{Amount: "1", Occurrence: "2026-03-10", RuleID: uuid.NewString()},
			[]string{"id wrong_id"},
		},
		{"everything wrong at once",
			expense.Draft{ID: "x", Amount: "x", Currency: "X", Date: "x", CategoryID: "x", Notes: new("\a"), Rate: "x"},
			[]string{"id malformed_id", "amount malformed_amount", "currency unknown_currency", "date malformed_date",
				"category_id malformed_id", "notes control_character", "rate malformed_rate"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := openLedger(t, "EUR", march)
			_, err := b.tryAdd(tt.draft)
			wantFieldErrors(t, err, tt.want...)
			if e := b.add(expense.Draft{Amount: "1"}); len(b.all()) != 1 || e.Version != 2 {
				t.Errorf("%d expenses at version %d: the refused one left something behind", len(b.all()), e.Version)
			}
		})
	}
}

func TestAdd_AcceptsNotesOfMaximumLength(t *testing.T) {
	notes := strings.Repeat("ä", expense.MaxNotesLength)
	if e := openLedger(t, "EUR", nil).add(expense.Draft{Amount: "1", Notes: &notes}); e.Notes != notes {
		t.Errorf("kept %d bytes of %d", len(e.Notes), len(notes))
	}
}

func TestAdd_AcceptsHistoricCurrencyWhileLegalTender(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	if e := b.add(expense.Draft{Amount: "1.95", Currency: "DEM", Date: "1998-05-01"}); e.Amount.String() != "1.95 DEM" {
		t.Errorf("got %v", e.Amount)
	}
}

func TestAdd_EqualDraftsAreTwoExpenses(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	coffee := expense.Draft{Amount: "2.20", Date: "2026-03-10", Notes: new("Coffee")}
	if first, second := b.add(coffee), b.add(coffee); first.ID == second.ID || len(b.all()) != 2 {
		t.Errorf("%d expenses", len(b.all()))
	}
}

func TestAdd_RepeatedID(t *testing.T) {
	b := openLedger(t, "EUR", march)
	id := uuid.New()
	draft := expense.Draft{ID: id.String(), Amount: "11.80", Currency: "USD", Category: "FOOD", Notes: new("Lunch")}
	first := b.add(draft)
	tests := []struct {
		name  string
		again expense.Draft
		want  error
	}{
		{"with the same content", draft, nil},
		{"with less of the same", expense.Draft{ID: id.String(), Amount: "11.8"}, nil},
		{
			"with its category's id", expense.Draft{ID: id.String(), Amount: "11.80", CategoryID: first.CategoryID.String()},
			nil,
		},
		{"with the rate it got", expense.Draft{ID: id.String(), Amount: "11.80", Rate: first.Rate.Value.String()}, nil},
		{"with another amount", expense.Draft{ID: id.String(), Amount: "11.81", Currency: "USD"}, expense.ErrExists},
		{"with the day it got", expense.Draft{ID: id.String(), Amount: "11.80", Date: first.Date.String()}, nil},
		{"with another currency", expense.Draft{ID: id.String(), Amount: "11.80", Currency: "CAD"}, expense.ErrExists},
		{
			"on another day", expense.Draft{ID: id.String(), Amount: "11.80", Date: first.Date.AddDays(-1).String()},
			expense.ErrExists,
		},
		{"with another rate", expense.Draft{ID: id.String(), Amount: "11.80", Rate: "0.5"}, expense.ErrExists},
		{"with a rate that is none", expense.Draft{ID: id.String(), Amount: "11.80", Rate: "half"}, expense.ErrExists},
		{
			"with the id of another category", expense.Draft{ID: id.String(), Amount: "11.80", CategoryID: uuid.NewString()},
			expense.ErrExists,
		},
		{"of a rule", expense.Draft{ID: id.String(), Amount: "11.80", RuleID: uuid.NewString()}, expense.ErrExists},
		{
			"of another day of a rule", expense.Draft{ID: id.String(), Amount: "11.80", Occurrence: "2026-03-10"},
			expense.ErrExists,
		},
		{
			"with other notes", expense.Draft{ID: id.String(), Amount: "11.80", Currency: "USD", Notes: new("")},
			expense.ErrExists,
		},
		{
			"with another category", expense.Draft{ID: id.String(), Amount: "11.80", Currency: "USD", Category: "Travel"},
			expense.ErrExists,
		},
		{
			"with a field error", expense.Draft{ID: id.String(), Amount: "11.80", Currency: "USD", Category: "Yachts"},
			expense.ErrExists,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			added, err := b.tryAdd(tt.again)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err == nil && (added.Created || added.Expense != first) {
				t.Errorf("got %+v, want what is stored", added)
			}
		})
	}
	if all := b.all(); len(all) != 1 || all[0] != first {
		t.Errorf("the ledger holds %+v, want the first alone", all)
	}
}

func TestAdd_RetrySucceedsAfterCategoryIsArchived(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	draft := expense.Draft{ID: uuid.NewString(), Amount: "5", Category: "Food"}
	first := b.add(draft)
	archive := true
	err := b.update(func(tx store.Tx) error {
		_, err := expense.ChangeCategory(
			t.Context(), tx, b.env, first.CategoryID, expense.CategoryPatch{Archived: &archive}, expense.Precondition{},
		)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if added, err := b.tryAdd(draft); err != nil || added.Created {
		t.Errorf("the repeated request gives %+v, %v", added, err)
	}
	_, err = b.tryAdd(expense.Draft{Amount: "5", Category: "Food"})
	wantFieldErrors(t, err, "category archived_category")
}

func TestAdd_DeletedIDIsGone(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	draft := expense.Draft{ID: uuid.NewString(), Amount: "5"}
	e := b.add(draft)
	for range 2 {
		err := b.update(func(tx store.Tx) error { return expense.Delete(t.Context(), tx, e.ID, expense.Precondition{}) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.tryAdd(draft); !errors.Is(err, expense.ErrGone) {
		t.Errorf("adding it again: %v, want ErrGone", err)
	}
	err := b.update(func(tx store.Tx) error { return expense.Delete(t.Context(), tx, uuid.New(), expense.Precondition{}) })
	if !errors.Is(err, expense.ErrNotFound) || errors.Is(err, expense.ErrGone) {
		t.Errorf("deleting what never was: %v, want ErrNotFound", err)
	}
}

func TestAddAll_ReturnsResultOfEachDraft(t *testing.T) {
	b := openLedger(t, "EUR", march)
	known := b.add(expense.Draft{ID: uuid.NewString(), Amount: "1"})
	twice := uuid.NewString()
	var drafts []expense.TypedDraft
	for _, draft := range []expense.Draft{
		{ID: uuid.NewString(), Amount: "2"},
		{ID: known.ID.String(), Amount: "99"},
		{Amount: "x"},
		{ID: twice, Amount: "3", Currency: "USD"},
		{ID: twice, Amount: "3", Currency: "USD"},
	} {
		drafts = append(drafts, draft.Parse(expense.MustCurrency("EUR")))
	}
	var checked, added []expense.BatchResult
	err := b.update(func(tx store.Tx) error {
		var err error
		if checked, err = expense.Check(t.Context(), tx, b.env, drafts...); err != nil {
			return err
		}
		added, err = expense.AddAll(t.Context(), tx, b.env, drafts...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ known, invalid bool }{{}, {known: true}, {invalid: true}, {}, {known: true}} {
		for what, result := range map[string]expense.BatchResult{"checked": checked[i], "added": added[i]} {
			if result.Known != want.known || (result.Err != nil) != want.invalid {
				t.Errorf("draft %d %s: known %v, error %v", i, what, result.Known, result.Err)
			}
		}
	}
	if all := b.all(); len(all) != 3 {
		t.Errorf("%d expenses, want 3", len(all))
	}
	if stored := b.get(added[0].Expense.ID); stored != added[0].Expense {
		t.Errorf("the result says %+v, stored is %+v", added[0].Expense, stored)
	}
}

// TestAdd_HomeAmountIsAmountTimesRate checks F1: the home amount is the amount times the stored rate, rounded once,
// half away from zero.
func TestAdd_HomeAmountIsAmountTimesRate(t *testing.T) {
	homes := []string{"EUR", "USD", "JPY", "KWD", "CLF"}
	rapid.Check(t, func(r *rapid.T) {
		home := rapid.SampledFrom(homes).Draw(r, "home")
		b := openLedger(t, home, march)
		currency := expense.MustCurrency(
			rapid.SampledFrom([]string{"EUR", "USD", "JPY", "KWD", "CLF", "DEM"}).Draw(r, "currency"),
		)
		// At the highest rate, this many yen are just below 10^15 minor units of CLF, the limit of an amount.
		minor := rapid.Int64Range(-800_000_000, 800_000_000).Filter(func(n int64) bool { return n != 0 }).Draw(r, "minor")
		amount, err := expense.MoneyFromMinor(minor, currency)
		if err != nil {
			r.Fatal(err)
		}
		draft := expense.Draft{Amount: amount.Amount(), Currency: currency.Code()}
		draft.Date = expense.MustDate("2026-03-06").AddDays(rapid.IntRange(0, 12).Draw(r, "day")).String()
		if currency.Code() == "DEM" {
			draft.Date = "2001-01-01"
		}
		if rapid.Bool().Draw(r, "by hand") && currency.Code() != home {
			draft.Rate = rapid.SampledFrom([]string{"0.5", "1", "3.14159265358979", "0.000123456789", "117.5"}).Draw(r, "rate")
		}
		e := b.add(draft)
		if e.Pending() {
			if !e.Home.IsZero() {
				r.Fatalf("pending, yet worth %v", e.Home)
			}
			return
		}
		exact := new(big.Rat).Mul(e.Amount.Decimal().Rat(), e.Rate.Value.Decimal().Rat())
		want := roundRat(exact, e.Home.Currency().Digits())
		if got := e.Home.Minor(); got != want {
			r.Fatalf("%v at %v is %v, want %d minor units", e.Amount, e.Rate.Value, e.Home, want)
		}
	})
}

// roundRat returns x in units of 10^-digits, half away from zero.
func roundRat(x *big.Rat, digits int) int64 {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	scaled := new(big.Rat).Mul(x, new(big.Rat).SetInt(scale))
	half := big.NewRat(int64(scaled.Sign()), 2)
	scaled.Add(scaled, half)
	return new(big.Int).Quo(scaled.Num(), scaled.Denom()).Int64()
}
