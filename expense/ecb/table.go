package ecb

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/spendwise/spendwise/expense"
)

// A Table holds rates in memory. It is an [expense.Rates]. The zero Table is empty and ready to use. A Table is safe
// for concurrent use: a lookup takes no lock and sees either all rates of an Add or none. Do not copy a Table.
type Table struct {
	writing sync.Mutex // held by Add and Load
	current atomic.Pointer[snapshot]
}

// An AddResult is the result of [Table.Add]. Quotes are ordered by currency code and date.
type AddResult struct {
	New       []expense.Quote // the added quotes
	Conflicts []expense.Quote // the rejected quotes: the table has another rate of the same currency and day
}

// Add adds quotes to the table. It never overwrites a rate. It ignores a quote of another [Source] or of the euro, and
// one without a date, a currency or a value.
func (t *Table) Add(quotes ...expense.Quote) AddResult { return t.put(quotes, false) }

// Load adds all rates of the store. Unlike Add, it overwrites rates that differ, so that all instances use the same
// rates even if they embed different histories. If the store returns an error, Load returns it and adds nothing.
func (t *Table) Load(ctx context.Context, store Store) error {
	return t.load(ctx, store, expense.Date{})
}

func (t *Table) load(ctx context.Context, store Store, from expense.Date) error {
	var stored []expense.Quote
	for quote, err := range store.Quotes(ctx, Source, from) {
		if err != nil {
			return err
		}
		stored = append(stored, quote)
	}
	t.put(stored, true)
	return nil
}

// Rate returns the rate in units of to per unit of from. It uses the latest day that has rates of both currencies and
// is not after on. A rate between two currencies other than the euro is computed through the euro and rounded once.
// Rate returns a rate of any age; [expense.LookupRate] rejects old rates. It returns false if there is no such day, or
// if from equals to.
func (t *Table) Rate(from, to expense.Currency, on expense.Date) (expense.Rate, bool) {
	snap := t.current.Load()
	if snap == nil || from == to {
		return expense.Rate{}, false
	}
	switch {
	case from == euro:
		i := snap.series[to].find(on)
		if i < 0 {
			return expense.Rate{}, false
		}
		return snap.series[to].rate(i, snap.series[to].rates[i]), true
	case to == euro:
		i := snap.series[from].find(on)
		if i < 0 {
			return expense.Rate{}, false
		}
		return snap.series[from].rate(i, one.Div(snap.series[from].rates[i])), true
	}
	source, target := snap.series[from], snap.series[to]
	for {
		i, j := source.find(on), target.find(on)
		switch {
		case i < 0 || j < 0:
			return expense.Rate{}, false
		case source.days[i] == target.days[j]:
			return source.rate(i, target.rates[j].Div(source.rates[i])), true
		case source.days[i].Before(target.days[j]):
			on = source.days[i]
		default:
			on = target.days[j]
		}
	}
}

// LatestDate returns the latest day that has a rate, or the zero Date if the table is empty.
func (t *Table) LatestDate() expense.Date {
	if days := t.days(); len(days) > 0 {
		return days[len(days)-1]
	}
	return expense.Date{}
}

// days returns the days that have a rate, in order.
func (t *Table) days() []expense.Date {
	if snap := t.current.Load(); snap != nil {
		return snap.days
	}
	return nil
}

// rateOn returns the rate of currency on exactly this day, or the zero Factor if there is none.
func (t *Table) rateOn(currency expense.Currency, day expense.Date) expense.Factor {
	if snap := t.current.Load(); snap != nil {
		s := snap.series[currency]
		if i := s.find(day); i >= 0 && s.days[i] == day {
			return s.rates[i]
		}
	}
	return expense.Factor{}
}

// put adds quotes. It returns quotes that differ from the table's rates as conflicts, and overwrites those rates if
// replace is true.
func (t *Table) put(quotes []expense.Quote, replace bool) AddResult {
	t.writing.Lock()
	defer t.writing.Unlock()

	byCurrency := group(quotes)
	old := t.current.Load()
	if old == nil {
		old = &snapshot{}
	}
	next := &snapshot{series: maps.Clone(old.series), days: old.days}
	if next.series == nil {
		next.series = map[expense.Currency]series{}
	}
	var added, conflicts [][]expense.Quote
	for _, currency := range slices.SortedFunc(maps.Keys(byCurrency), expense.Currency.Compare) {
		s := next.series[currency]
		missing, differing := s.compare(*byCurrency[currency])
		if replace && len(differing) > 0 {
			s = s.replace(differing)
		}
		next.series[currency] = s.insert(missing)
		next.days = insertDays(next.days, missing)
		added, conflicts = append(added, missing), append(conflicts, differing)
	}
	t.current.Store(next)
	return AddResult{New: slices.Concat(added...), Conflicts: slices.Concat(conflicts...)}
}

// group returns copies of the valid quotes, by currency and ordered by day.
func group(quotes []expense.Quote) map[expense.Currency]*[]expense.Quote {
	groups := map[expense.Currency]*[]expense.Quote{}
	for _, q := range quotes {
		if q.Source != Source || q.Currency == euro || q.Currency.IsZero() || q.Date.IsZero() || q.Value.IsZero() {
			continue
		}
		group := groups[q.Currency]
		if group == nil {
			group = new([]expense.Quote)
			groups[q.Currency] = group
		}
		*group = append(*group, q)
	}
	for _, quotes := range groups {
		slices.SortStableFunc(*quotes, func(a, b expense.Quote) int { return a.Date.Compare(b.Date) })
	}
	return groups
}

// A snapshot is the content of the table at one moment. It is immutable. A later snapshot may share its memory: there
// is one writer, and it only appends to slices, beyond the length that earlier snapshots see.
type snapshot struct {
	series map[expense.Currency]series
	days   []expense.Date // of all series
}

// A series is the rates of one currency, ordered by day.
type series struct {
	days  []expense.Date
	rates []expense.Factor
}

// find returns the index of the latest day that is not after on, or -1 if there is none.
func (s series) find(on expense.Date) int {
	low, high := 0, len(s.days)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if s.days[middle].After(on) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low - 1
}

func (s series) rate(i int, value expense.Factor) expense.Rate {
	return expense.Rate{Value: value, Date: s.days[i], Source: Source}
}

// compare returns the quotes of days that s does not have, and the quotes whose value differs from that of s. quotes
// must be ordered by day. If two quotes have the same day, compare uses the first. missing reuses the memory of quotes.
func (s series) compare(quotes []expense.Quote) (missing, differing []expense.Quote) {
	missing = quotes[:0]
	for _, q := range quotes {
		var existing expense.Factor
		if last := len(missing) - 1; last >= 0 && missing[last].Date == q.Date {
			existing = missing[last].Value
		} else if i := s.find(q.Date); i >= 0 && s.days[i] == q.Date {
			existing = s.rates[i]
		}
		switch {
		case existing.IsZero():
			missing = append(missing, q)
		case existing != q.Value:
			differing = append(differing, q)
		}
	}
	return missing, differing
}

// insert returns s with quotes added. quotes are ordered by day, and s does not have their days.
func (s series) insert(quotes []expense.Quote) series {
	if len(quotes) == 0 {
		return s
	}
	size := len(s.days) + len(quotes)
	if last := len(s.days) - 1; last >= 0 && s.days[last].After(quotes[0].Date) {
		merged := series{days: make([]expense.Date, 0, size), rates: make([]expense.Factor, 0, size)}
		for i, day := range s.days {
			for len(quotes) > 0 && quotes[0].Date.Before(day) {
				merged.days, merged.rates = append(merged.days, quotes[0].Date), append(merged.rates, quotes[0].Value)
				quotes = quotes[1:]
			}
			merged.days, merged.rates = append(merged.days, day), append(merged.rates, s.rates[i])
		}
		s = merged
	}
	s.days, s.rates = slices.Grow(s.days, len(quotes)), slices.Grow(s.rates, len(quotes))
	for _, q := range quotes {
		s.days, s.rates = append(s.days, q.Date), append(s.rates, q.Value)
	}
	return s
}

// replace returns s with the rates of quotes in place of its own. s must have a rate on each of their days.
func (s series) replace(quotes []expense.Quote) series {
	s.rates = slices.Clone(s.rates)
	for _, q := range quotes {
		if i := s.find(q.Date); i >= 0 && s.days[i] == q.Date {
			s.rates[i] = q.Value
		}
	}
	return s
}

// insertDays returns days with the days of quotes added. days and quotes are ordered.
func insertDays(days []expense.Date, quotes []expense.Quote) []expense.Date {
	var missing []expense.Date
	i := 0
	for _, q := range quotes {
		for i < len(days) && days[i].Before(q.Date) {
			i++
		}
		if i == len(days) || days[i] != q.Date {
			missing = append(missing, q.Date)
		}
	}
	if len(missing) == 0 {
		return days
	}
	if len(days) == 0 || days[len(days)-1].Before(missing[0]) {
		return append(days, missing...)
	}
	merged := slices.Concat(days, missing)
	slices.SortFunc(merged, expense.Date.Compare)
	return merged
}
