package ecb_test

import (
	"context"
	"errors"
	"iter"
	"math/big"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
)

var _ expense.Rates = (*ecb.Table)(nil)

// embedded is the table of the embedded history, shared by tests that only read it.
var embedded = sync.OnceValues(ecb.EmbeddedTable)

func realTable(t testing.TB) *ecb.Table {
	t.Helper()
	table, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTable_RatesOfEmbeddedHistory(t *testing.T) {
	table := realTable(t)
	if got := table.LatestDate(); got != expense.MustDate("2026-03-05") {
		t.Errorf("Newest() = %s", got)
	}
	for name, test := range map[string]struct {
		from, to, on string
		value, date  string // "" for none
	}{
		"the first day":                       {"EUR", "USD", "1999-01-04", "1.1789", "1999-01-04"},
		"the day before the first":            {"EUR", "USD", "1999-01-03", "", ""},
		"the last day":                        {"EUR", "USD", "2026-03-05", "1.1618", "2026-03-05"},
		"five significant digits":             {"EUR", "CYP", "1999-01-04", "0.58231", "1999-01-04"},
		"a price without its zeros":           {"EUR", "ISK", "2026-03-05", "144.7", "2026-03-05"},
		"into the euro":                       {"USD", "EUR", "2026-03-05", "0.860733344809777931", "2026-03-05"},
		"a cross":                             {"INR", "USD", "2026-03-05", "0.0109112458711856893", "2026-03-05"},
		"a Saturday takes Friday's":           {"EUR", "USD", "2026-02-28", "1.1805", "2026-02-27"},
		"a Sunday takes Friday's":             {"EUR", "USD", "2026-03-01", "1.1805", "2026-02-27"},
		"Easter Monday takes Thursday's":      {"EUR", "JPY", "2025-04-21", "161.98", "2025-04-17"},
		"the last lev":                        {"EUR", "BGN", "2026-01-06", "1.9558", "2025-12-31"},
		"the last kuna":                       {"HRK", "EUR", "2022-12-30", "0.132687587076229019", "2022-12-30"},
		"the last rouble":                     {"EUR", "RUB", "2022-03-01", "117.201", "2022-03-01"},
		"a cross on a day that both have":     {"BGN", "USD", "2026-01-02", "0.600777175580325187", "2025-12-31"},
		"a currency that is never quoted":     {"KWD", "EUR", "2026-03-05", "", ""},
		"into a currency that never is":       {"EUR", "KWD", "2026-03-05", "", ""},
		"a cross with one that never is":      {"KWD", "USD", "2026-03-05", "", ""},
		"a cross of two that never met":       {"EEK", "INR", "2008-12-31", "", ""},
		"a cross of two that met before only": {"SIT", "RON", "2010-01-01", "", "2006-12-29"},
		"a currency into itself":              {"USD", "USD", "2026-03-05", "", ""},
		"the euro into itself":                {"EUR", "EUR", "2026-03-05", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			rate, ok := table.Rate(expense.MustCurrency(test.from), expense.MustCurrency(test.to), expense.MustDate(test.on))
			if want := test.date != ""; ok != want {
				t.Fatalf("found: %t, want %t (%v)", ok, want, rate)
			}
			if !ok {
				return
			}
			want := expense.MustDate(test.date)
			if rate.Date != want || rate.Source != ecb.Source {
				t.Errorf("the rate is of %s from %s, want %s from ecb", rate.Date, rate.Source, want)
			}
			if got := rate.Value.String(); test.value != "" && got != test.value {
				t.Errorf("the rate is %s, want %s", got, test.value)
			}
		})
	}
}

func TestTable_HasNoRateForEndedCurrency(t *testing.T) {
	table := realTable(t)
	for code, last := range map[string]string{"BGN": "2025-12-31", "HRK": "2022-12-30", "RUB": "2022-03-01"} {
		day, euro, currency := expense.MustDate(last), expense.MustCurrency("EUR"), expense.MustCurrency(code)
		if rate, ok := expense.LookupRate(table, currency, euro, day.AddDays(7)); !ok || rate.Date != day {
			t.Errorf("%s a week after its end: %v, %t; want the rate of %s", code, rate, ok, day)
		}
		if rate, ok := expense.LookupRate(table, currency, euro, day.AddDays(8)); ok {
			t.Errorf("%s eight days after its end: %v, want none", code, rate)
		}
	}
}

// TestTable_AgreesWithFileOnEveryDay compares the rate of every day, including days without rates, with a scan of the
// file.
func TestTable_AgreesWithFileOnEveryDay(t *testing.T) {
	table, file := realTable(t), scanHistory(t)
	euro := expense.MustCurrency("EUR")
	for _, code := range file.codes {
		currency := expense.MustCurrency(code)
		var last expense.Rate
		for day := expense.MustDate("1998-12-30"); !day.After(expense.MustDate("2026-03-20")); day = day.AddDays(1) {
			if value, ok := file.cells[day.String()][code]; ok {
				last = expense.Rate{Value: expense.MustFactor(value), Date: day, Source: ecb.Source}
			}
			if got, ok := table.Rate(euro, currency, day); got != last || ok == last.IsZero() {
				t.Fatalf("EUR to %s on %s: %v, %t; want %v", code, day, got, ok, last)
			}
		}
	}
}

// naive computes the rate from the file's text: the exact quotient of the two rates of the latest day that has both.
func (s scan) naive(from, to, on string) (value *big.Rat, day string) {
	end, found := slices.BinarySearch(s.days, on)
	if found {
		end++
	}
	for _, day := range slices.Backward(s.days[:end]) {
		source, okSource := s.cells[day][from]
		target, okTarget := s.cells[day][to]
		if from == "EUR" {
			source, okSource = "1", true
		}
		if to == "EUR" {
			target, okTarget = "1", true
		}
		if okSource && okTarget {
			return new(big.Rat).Quo(rational(target), rational(source)), day
		}
	}
	return nil, ""
}

func rational(text string) *big.Rat {
	value, _ := new(big.Rat).SetString(text)
	return value
}

// round18 rounds half away from zero to 18 significant digits.
func round18(value *big.Rat) *big.Rat {
	shift := new(big.Rat).SetInt64(1)
	low, high := new(big.Rat).SetInt64(1e17), new(big.Rat).SetInt64(1e18)
	ten := new(big.Rat).SetInt64(10)
	scaled := func() *big.Rat { return new(big.Rat).Mul(value, shift) }
	for scaled().Cmp(low) < 0 {
		shift.Mul(shift, ten)
	}
	for scaled().Cmp(high) >= 0 {
		shift.Quo(shift, ten)
	}
	half := new(big.Rat).Add(scaled(), big.NewRat(1, 2))
	floor := new(big.Int).Quo(half.Num(), half.Denom())
	return new(big.Rat).Quo(new(big.Rat).SetInt(floor), shift)
}

func TestTable_CrossRateIsRoundedOnce(t *testing.T) {
	table, file := realTable(t), scanHistory(t)
	codes := append([]string{"EUR", "KWD"}, file.codes...)
	first := expense.MustDate("1998-12-01")
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.SampledFrom(codes).Draw(t, "from")
		to := rapid.SampledFrom(codes).Filter(func(to string) bool { return to != from }).Draw(t, "to")
		on := first.AddDays(rapid.IntRange(0, 10_000).Draw(t, "days"))

		want, day := file.naive(from, to, on.String())
		rate, ok := table.Rate(expense.MustCurrency(from), expense.MustCurrency(to), on)
		if ok != (want != nil) {
			t.Fatalf("found: %t, want %t", ok, want != nil)
		}
		if !ok {
			return
		}
		if rate.Date.String() != day || rate.Source != ecb.Source {
			t.Fatalf("the rate is of %s, want %s", rate.Date, day)
		}
		if got := rational(rate.Value.String()); got.Cmp(round18(want)) != 0 {
			t.Fatalf("the rate is %s, want %s", rate.Value, round18(want).FloatString(30))
		}
	})
}

func TestTable_AddNeverOverwrites(t *testing.T) {
	monday, tuesday := quote("2026-03-02", "USD", "1.17"), quote("2026-03-03", "USD", "1.16")
	table := table(monday)

	other := quote("2026-03-02", "USD", "2")
	yen := quote("2026-03-03", "JPY", "183")
	diff := table.Add(yen, tuesday, other, monday)
	if want := []expense.Quote{yen, tuesday}; !slices.Equal(diff.New, want) {
		t.Errorf("New = %v, want %v", diff.New, want)
	}
	if want := []expense.Quote{other}; !slices.Equal(diff.Conflicts, want) {
		t.Errorf("Changed = %v, want %v", diff.Conflicts, want)
	}
	mustKeep(t, table, monday, tuesday, yen)

	if diff := table.Add(monday, tuesday, yen); len(diff.New)+len(diff.Conflicts) != 0 {
		t.Errorf("adding the same again: %v, want nothing", diff)
	}
}

func TestTable_AddKeepsFirstOfTwoRatesForOneDay(t *testing.T) {
	first, second := quote("2026-03-02", "USD", "1.17"), quote("2026-03-02", "USD", "1.18")
	table := new(ecb.Table)
	diff := table.Add(first, second, first)
	if !slices.Equal(diff.New, []expense.Quote{first}) || !slices.Equal(diff.Conflicts, []expense.Quote{second}) {
		t.Errorf("Add found %v", diff)
	}
	mustKeep(t, table, first)
}

func TestTable_AddIgnoresInvalidQuotes(t *testing.T) {
	good := quote("2026-03-02", "USD", "1.17")
	var quotes []expense.Quote
	for _, spoil := range []func(*expense.Quote){
		func(q *expense.Quote) { q.Source = "other" },
		func(q *expense.Quote) { q.Currency = expense.Currency{} },
		func(q *expense.Quote) { q.Currency = expense.MustCurrency("EUR") },
		func(q *expense.Quote) { q.Date = expense.Date{} },
		func(q *expense.Quote) { q.Value = expense.Factor{} },
	} {
		bad := good
		spoil(&bad)
		quotes = append(quotes, bad)
	}
	table := new(ecb.Table)
	if diff := table.Add(quotes...); len(diff.New)+len(diff.Conflicts) != 0 {
		t.Errorf("Add found %v, want nothing", diff)
	}
	if !table.LatestDate().IsZero() {
		t.Errorf("Newest() = %s, want none", table.LatestDate())
	}
}

func TestTable_ZeroValueIsEmpty(t *testing.T) {
	table := new(ecb.Table)
	rate, ok := table.Rate(expense.MustCurrency("EUR"), expense.MustCurrency("USD"), expense.MustDate("2026-03-02"))
	if ok {
		t.Errorf("Rate() = %v, want none", rate)
	}
	if !table.LatestDate().IsZero() {
		t.Errorf("Newest() = %s, want none", table.LatestDate())
	}
}

func mustKeep(t *testing.T, table *ecb.Table, quotes ...expense.Quote) {
	t.Helper()
	for _, q := range quotes {
		rate, ok := table.Rate(expense.MustCurrency("EUR"), q.Currency, q.Date)
		if want := (expense.Rate{Value: q.Value, Date: q.Date, Source: ecb.Source}); !ok || rate != want {
			t.Fatalf("EUR to %s on %s is %v, want %v", q.Currency, q.Date, rate, want)
		}
	}
}

// TestTable_AddIsIndependentOfOrder adds rates in random batches and order. The table must equal one to which all were
// added at once.
func TestTable_AddIsIndependentOfOrder(t *testing.T) {
	first := expense.MustDate("2026-01-01")
	rapid.Check(t, func(t *rapid.T) {
		want := map[expense.Quote]expense.Factor{}
		table := new(ecb.Table)
		for range rapid.IntRange(0, 8).Draw(t, "adds") {
			var quotes, fresh, changed []expense.Quote
			for range rapid.IntRange(0, 8).Draw(t, "quotes") {
				q := quote("2026-01-01", rapid.SampledFrom([]string{"JPY", "USD"}).Draw(t, "code"),
					rapid.SampledFrom([]string{"1", "2"}).Draw(t, "value"))
				q.Date = first.AddDays(rapid.IntRange(0, 12).Draw(t, "day"))
				quotes = append(quotes, q)
				switch kept, ok := want[keyOf(q)]; {
				case !ok:
					want[keyOf(q)] = q.Value
					fresh = append(fresh, q)
				case kept != q.Value:
					changed = append(changed, q)
				}
			}
			diff := table.Add(quotes...)
			if len(diff.New) != len(fresh) || len(diff.Conflicts) != len(changed) {
				t.Fatalf("Add found %v, want %v and %v", diff, fresh, changed)
			}
		}
		for _, code := range []string{"JPY", "USD"} {
			var last expense.Rate
			for day := first.AddDays(-1); day.Before(first.AddDays(15)); day = day.AddDays(1) {
				key := expense.Quote{Source: ecb.Source, Date: day, Currency: expense.MustCurrency(code)}
				if value, ok := want[key]; ok {
					last = expense.Rate{Value: value, Date: day, Source: ecb.Source}
				}
				if got, ok := table.Rate(expense.MustCurrency("EUR"), key.Currency, day); got != last || ok == last.IsZero() {
					t.Fatalf("EUR to %s on %s: %v, want %v", code, day, got, last)
				}
			}
		}
	})
}

func TestTable_AddIsAtomicForReaders(t *testing.T) {
	table := new(ecb.Table)
	yen, dollar, euro := expense.MustCurrency("JPY"), expense.MustCurrency("USD"), expense.MustCurrency("EUR")
	first := expense.MustDate("2020-01-01")
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				on := first.AddDays(1000)
				a, okA := table.Rate(euro, yen, on)
				cross, okCross := table.Rate(yen, dollar, on)
				if okA && (!okCross || cross.Date.Before(a.Date) || cross.Value != expense.MustFactor("1")) {
					t.Errorf("the yen is of %s, the cross %v", a.Date, cross)
					return
				}
			}
		})
	}
	for i := range 300 {
		day := first.AddDays(i*7%300 + i/300) // not in order
		table.Add(
			expense.Quote{Source: ecb.Source, Date: day, Currency: dollar, Value: expense.MustFactor("2")},
			expense.Quote{Source: ecb.Source, Date: day, Currency: yen, Value: expense.MustFactor("2")})
	}
	close(done)
	readers.Wait()
}

func TestTable_LoadPrefersRatesOfStore(t *testing.T) {
	table := table(quote("2026-03-02", "USD", "1.17"), quote("2026-03-03", "USD", "1.16"))
	kept := []expense.Quote{quote("2026-03-02", "USD", "1.171"), quote("2026-03-04", "JPY", "183")}
	if err := table.Load(t.Context(), newMemory(kept...)); err != nil {
		t.Fatal(err)
	}
	mustKeep(t, table, append(kept, quote("2026-03-03", "USD", "1.16"))...)
}

// dead is a store that fails after one quote.
type dead struct{ err error }

func (d dead) PutQuotes(context.Context, ...expense.Quote) ([]expense.Quote, error) {
	return nil, d.err
}

func (d dead) Quotes(context.Context, expense.Source, expense.Date) iter.Seq2[expense.Quote, error] {
	return func(yield func(expense.Quote, error) bool) {
		if yield(quote("2026-03-02", "USD", "1.17"), nil) {
			yield(expense.Quote{}, d.err)
		}
	}
}

func TestTable_LoadKeepsTableOnStoreError(t *testing.T) {
	table := new(ecb.Table)
	if err := table.Load(t.Context(), dead{expense.ErrUnavailable}); !errors.Is(err, expense.ErrUnavailable) {
		t.Errorf("Load() = %v, want ErrUnavailable", err)
	}
	if !table.LatestDate().IsZero() {
		t.Errorf("Newest() = %s, want none", table.LatestDate())
	}
}

func BenchmarkRate(b *testing.B) {
	table := realTable(b)
	euro, dollar, rupee := expense.MustCurrency("EUR"), expense.MustCurrency("USD"), expense.MustCurrency("INR")
	lev, first := expense.MustCurrency("BGN"), expense.MustDate("2010-01-01")
	days := make([]expense.Date, 5000)
	for i := range days {
		days[i] = first.AddDays(i * 1009 % len(days))
	}
	for _, pair := range []struct {
		name     string
		from, to expense.Currency
	}{
		{"price", euro, dollar}, {"inverse", dollar, euro}, {"cross", rupee, dollar},
		{"cross with an ended currency", lev, dollar},
	} {
		b.Run(pair.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok := table.Rate(pair.from, pair.to, days[i]); !ok {
					b.Fatal("no rate")
				}
				if i++; i == len(days) {
					i = 0
				}
			}
		})
	}
}

func BenchmarkEmbedded(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ecb.EmbeddedTable(); err != nil {
			b.Fatal(err)
		}
	}
}
