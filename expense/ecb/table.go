package ecb

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/spendwise/spendwise/expense"
)

// A Table answers from memory what a currency costs: it is an [expense.Rates]. The zero Table is empty and ready. It is safe
// for concurrent use; a lookup takes no lock and sees all of an Add or nothing of it. A Table must not be copied.
type Table struct {
	writing sync.Mutex
	current atomic.Pointer[snapshot]
}

// A Diff is what an Add found, each part ordered by currency code and date.
type AddResult struct {
	New       []expense.Quote // those that the table did not have
	Conflicts []expense.Quote // those whose price differs from the kept one, as they were given; the kept one stays
}

// Add takes prices into the table. A price that the table has already is never overwritten. A quote that is no price of this
// source, that is one of another source, of the euro, or without a day, a currency or a value, is left out.
func (t *Table) Add(quotes ...expense.Quote) AddResult { return t.put(quotes, false) }

// Load takes in all prices that the store keeps. Where they differ from those that the table has, the store's hold: they are
// what all instances go by, whatever history each of them embeds.
func (t *Table) Load(ctx context.Context, store Store) error {
	return t.load(ctx, store, expense.Date{})
}

func (t *Table) load(ctx context.Context, store Store, from expense.Date) error {
	var kept []expense.Quote
	for quote, err := range store.Quotes(ctx, Source, from) {
		if err != nil {
			return err
		}
		kept = append(kept, quote)
	}
	t.put(kept, true)
	return nil
}

// Rate returns how many units of to one unit of from costs on the latest day, on or before the day on, that has a price of
// both; a cross goes through the euro and is rounded once. However old that day is, it is returned: [expense.LookupRate] decides
// what is too old. It reports false when there is no such day, and for a currency into itself.
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
		return snap.series[to].rate(i, snap.series[to].prices[i]), true
	case to == euro:
		i := snap.series[from].find(on)
		if i < 0 {
			return expense.Rate{}, false
		}
		return snap.series[from].rate(i, one.Div(snap.series[from].prices[i])), true
	}
	source, target := snap.series[from], snap.series[to]
	for {
		i, j := source.find(on), target.find(on)
		switch {
		case i < 0 || j < 0:
			return expense.Rate{}, false
		case source.days[i] == target.days[j]:
			return source.rate(i, target.prices[j].Div(source.prices[i])), true
		case source.days[i].Before(target.days[j]):
			on = source.days[i]
		default:
			on = target.days[j]
		}
	}
}

// Newest returns the last day that has a price; the zero Date when the table is empty.
func (t *Table) LatestDate() expense.Date {
	if days := t.days(); len(days) > 0 {
		return days[len(days)-1]
	}
	return expense.Date{}
}

// days returns the days that have a price, in order.
func (t *Table) days() []expense.Date {
	if snap := t.current.Load(); snap != nil {
		return snap.days
	}
	return nil
}

// price returns the price of currency on that very day; the zero Factor when there is none.
func (t *Table) price(currency expense.Currency, day expense.Date) expense.Factor {
	if snap := t.current.Load(); snap != nil {
		s := snap.series[currency]
		if i := s.find(day); i >= 0 && s.days[i] == day {
			return s.prices[i]
		}
	}
	return expense.Factor{}
}

// put takes quotes in. A price that differs from the kept one is reported, and taken in its place only if replace says so.
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
	var fresh, changed [][]expense.Quote
	for _, currency := range slices.SortedFunc(maps.Keys(byCurrency), expense.Currency.Compare) {
		kept := next.series[currency]
		unknown, differing := kept.compare(*byCurrency[currency])
		if replace && len(differing) > 0 {
			kept = kept.replace(differing)
		}
		next.series[currency] = kept.insert(unknown)
		next.days = insertDays(next.days, unknown)
		fresh, changed = append(fresh, unknown), append(changed, differing)
	}
	t.current.Store(next)
	return AddResult{New: slices.Concat(fresh...), Conflicts: slices.Concat(changed...)}
}

// group returns copies of the quotes that are prices of this source, by currency and in order of their days.
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

// A snapshot is what the table held at one moment. It never changes; a later one may share memory with it, because slices
// are only ever appended to, past the length that an earlier snapshot sees, by the one writer.
type snapshot struct {
	series map[expense.Currency]series
	days   []expense.Date // of all series
}

// A series is the prices of one currency by day.
type series struct {
	days   []expense.Date
	prices []expense.Factor
}

// find returns the index of the latest day on or before the day on, -1 when there is none.
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

// compare sorts quotes, which are in order of their days, into those of days that s does not have and those that differ. Of
// two quotes for one day the first counts. The memory of quotes becomes that of fresh.
func (s series) compare(quotes []expense.Quote) (fresh, changed []expense.Quote) {
	fresh = quotes[:0]
	for _, q := range quotes {
		var kept expense.Factor
		if last := len(fresh) - 1; last >= 0 && fresh[last].Date == q.Date {
			kept = fresh[last].Value
		} else if i := s.find(q.Date); i >= 0 && s.days[i] == q.Date {
			kept = s.prices[i]
		}
		switch {
		case kept.IsZero():
			fresh = append(fresh, q)
		case kept != q.Value:
			changed = append(changed, q)
		}
	}
	return fresh, changed
}

// insert returns s with quotes, which are in order and of days that s does not have.
func (s series) insert(quotes []expense.Quote) series {
	if len(quotes) == 0 {
		return s
	}
	size := len(s.days) + len(quotes)
	if last := len(s.days) - 1; last >= 0 && s.days[last].After(quotes[0].Date) {
		merged := series{days: make([]expense.Date, 0, size), prices: make([]expense.Factor, 0, size)}
		for i, day := range s.days {
			for len(quotes) > 0 && quotes[0].Date.Before(day) {
				merged.days, merged.prices = append(merged.days, quotes[0].Date), append(merged.prices, quotes[0].Value)
				quotes = quotes[1:]
			}
			merged.days, merged.prices = append(merged.days, day), append(merged.prices, s.prices[i])
		}
		s = merged
	}
	s.days, s.prices = slices.Grow(s.days, len(quotes)), slices.Grow(s.prices, len(quotes))
	for _, q := range quotes {
		s.days, s.prices = append(s.days, q.Date), append(s.prices, q.Value)
	}
	return s
}

// replace returns s with the prices of quotes, all of days that s has, in place of its own.
func (s series) replace(quotes []expense.Quote) series {
	s.prices = slices.Clone(s.prices)
	for _, q := range quotes {
		if i := s.find(q.Date); i >= 0 && s.days[i] == q.Date {
			s.prices[i] = q.Value
		}
	}
	return s
}

// insertDays returns days with those of quotes, both in order.
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
