package expense_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
)

func TestConvertPending_ConvertsWhenRatesArrive(t *testing.T) {
	b := openLedger(t, "EUR", march)
	waits := b.add(expense.Draft{Amount: "11.80", Currency: "USD", Date: "2026-03-20"})
	never := b.add(expense.Draft{Amount: "1.000", Currency: "KWD"})
	done := b.add(expense.Draft{Amount: "11.80", Currency: "USD"})
	convert := func() int {
		n, err := jobs.ConvertPending(t.Context(), b.store, b.env)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := convert(); n != 0 || b.get(waits.ID) != waits {
		t.Errorf("converted %d without a rate", n)
	}
	rates := maps.Clone(march)
	rates["USD"] = map[string]string{"2026-03-10": "99", "2026-03-20": "1.25", "2026-03-21": "3"}
	b.env.Rates = rates
	if n := convert(); n != 1 {
		t.Errorf("converted %d, want 1", n)
	}
	e := b.get(waits.ID)
	if e.Rate.Value.String() != "0.8" || e.Rate.Date.String() != "2026-03-20" || e.Home.String() != "9.44 EUR" {
		t.Errorf("got %v of %v: %v", e.Rate.Value, e.Rate.Date, e.Home)
	}
	if e.Version != done.Version+1 || e.Guard != e.Version {
		t.Errorf("version %d, guard %d: devices would not see it", e.Version, e.Guard)
	}
	if b.get(done.ID) != done || b.get(never.ID) != never {
		t.Error("history moved, or a currency without prices was converted")
	}
	if n := convert(); n != 0 {
		t.Errorf("converted %d again", n)
	}
}

func TestConvertPending_UsesSeveralUpdates(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	drafts := slices.Repeat([]expense.TypedDraft{{Amount: expense.MustMoney("1.18", "USD")}}, 2100)
	err := b.update(func(tx store.Tx) error {
		_, err := expense.AddAll(t.Context(), tx, b.env, drafts...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b.env.Rates = march
	if n, err := jobs.ConvertPending(t.Context(), b.store, b.env); err != nil || n != len(drafts) {
		t.Errorf("converted %d of %d, %v", n, len(drafts), err)
	}
}

func TestConvertPending_SkipsConversionAboveLimit(t *testing.T) {
	b := openLedger(t, "JPY", nil)
	huge := b.add(expense.Draft{Amount: "9000000000000.00", Currency: "EUR"})
	small := b.add(expense.Draft{Amount: "1.00", Currency: "EUR"})
	b.env.Rates = march
	if n, err := jobs.ConvertPending(t.Context(), b.store, b.env); err != nil || n != 1 {
		t.Errorf("converted %d, %v; want 1", n, err)
	}
	if !b.get(huge.ID).Pending() || b.get(small.ID).Home.String() != "185 JPY" {
		t.Errorf("got %v and %v", b.get(huge.ID), b.get(small.ID))
	}
}

func (b *testLedger) changeSettings(draft expense.SettingsDraft) (change expense.ChangeSettingsResult, err error) {
	err = b.update(func(tx store.Tx) error {
		change, err = expense.ChangeSettings(b.t.Context(), tx, b.env, draft, expense.Precondition{})
		return err
	})
	return change, err
}

func TestChangeSettings_HomeCurrencyUsesRateOfEachExpensesDate(t *testing.T) {
	b := openLedger(t, "EUR", march)
	euro := b.add(expense.Draft{Amount: "10", Date: "2026-03-06"})
	dollar := b.add(expense.Draft{Amount: "11.70", Currency: "USD", Date: "2026-03-09"})
	yen := b.add(expense.Draft{Amount: "185", Currency: "JPY"})
	hand := b.add(expense.Draft{Amount: "1.000", Currency: "KWD", Rate: "2.5"})
	old := b.add(expense.Draft{Amount: "1.000", Currency: "KWD", Date: "2020-01-01", Rate: "3"})
	waits := b.add(expense.Draft{Amount: "5.000", Currency: "KWD"})
	change, err := b.changeSettings(expense.SettingsDraft{HomeCurrency: new("USD")})
	if err != nil {
		t.Fatal(err)
	}
	if change.Reconversion == nil || *change.Reconversion != (expense.ReconversionResult{Converted: 4, Pending: 2}) ||
		change.Settings != b.settings() {
		t.Errorf("got %+v %+v", change, change.Reconversion)
	}
	for _, tt := range []struct {
		e          expense.Expense
		home, rate string
		source     expense.Source
	}{
		{euro, "11.60 USD", "1.16", "test"},
		{dollar, "11.70 USD", "1", expense.SourceIdentity},
		{yen, "1.18 USD", "0.00637837837837837838", "test"},
		{hand, "2.95 USD", "2.95", expense.SourceUser},
		{old, "0.00 USD", "", ""},
		{waits, "0.00 USD", "", ""},
	} {
		e := b.get(tt.e.ID)
		if e.Home.String() != tt.home || e.Rate.Value.String() != tt.rate || e.Rate.Source != tt.source {
			t.Errorf(
				"%v of %v is %v at %v from %q, want %s at %s", e.Amount, e.Date, e.Home, e.Rate.Value, e.Rate.Source, tt.home,
				tt.rate,
			)
		}
		if e.Version != change.Settings.Version {
			t.Errorf("%v carries version %d, want %d: it is one step", e.Amount, e.Version, change.Settings.Version)
		}
	}
}

func TestChangeSettings_ReportsAllInvalidFields(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	before := b.settings()
	_, err := b.changeSettings(expense.SettingsDraft{
		HomeCurrency: new("XYZ"), TimeZone: new("Mars/Olympus"), Locale: new("!"), FiscalYearStart: new(13),
		DefaultCategoryID: new("00000000-0000-4000-8000-000000000000"),
	})
	wantFieldErrors(t, err, "home_currency unknown_currency", "time_zone unknown_zone", "locale unknown_locale",
		"fiscal_year_start impossible_month", "default_category_id unknown_category")
	_, err = b.changeSettings(expense.SettingsDraft{HomeCurrency: new("DEM")})
	wantFieldErrors(t, err, "home_currency currency_ended")
	if change, err := b.changeSettings(expense.SettingsDraft{HomeCurrency: new("EUR")}); err != nil ||
		change.Reconversion != nil || b.settings() != before {
		t.Errorf("a change to the same: %+v, %v", change, err)
	}
	for range 2 { // the second time it is there already
		if _, err := b.changeSettings(expense.SettingsDraft{TimeZone: new("Europe/Berlin")}); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.settings().Version; got != before.Version+1 {
		t.Errorf("naming the zone again took a version: %d after %d", got, before.Version)
	}
}

// TestChangeSettings_HomeCurrencyAndBackRestoresExpenses checks F5: changing the home currency and back restores every
// expense that has a rate.
func TestChangeSettings_HomeCurrencyAndBackRestoresExpenses(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := openLedger(t, "EUR", march)
		for range rapid.IntRange(1, 20).Draw(r, "expenses") {
			b.add(expense.Draft{
				Amount:   rapid.SampledFrom([]string{"1", "17", "-300"}).Draw(r, "amount"),
				Currency: rapid.SampledFrom([]string{"EUR", "USD", "JPY", "KWD"}).Draw(r, "currency"),
				Date:     rapid.SampledFrom([]string{"2026-03-05", "2026-03-07", "2026-03-10", "2026-03-25"}).Draw(r, "date"),
			})
		}
		before := b.all()
		for _, home := range []string{"JPY", "USD", "EUR"} {
			if _, err := b.changeSettings(expense.SettingsDraft{HomeCurrency: &home}); err != nil {
				r.Fatal(err)
			}
		}
		for i, e := range b.all() {
			if e.ID != before[i].ID || e.Rate != before[i].Rate || e.Home != before[i].Home {
				r.Fatalf("%+v came back as %+v", before[i], e)
			}
		}
	})
}
