package recurrence_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

// ruleModel is the history of a rule in a ledger, with the state that the test expects.
type ruleModel struct {
	*rapid.T
	store   store.Store
	env     expense.Env
	id      uuid.UUID
	from    expense.Date // date of the last split
	settled expense.Date
	posted  map[uuid.UUID]expense.Expense // includes deleted expenses
	deleted map[uuid.UUID]bool
	skipped map[expense.Date]bool

	predicted map[uuid.UUID]bool // expenses that a device added in advance
	archived  bool               // an archived category prevents posting
	// latest is the latest local date so far. It does not decrease when the ledger moves to a zone further west.
	latest expense.Date
}

// today returns the date from which a change of the rule applies.
func (l *ruleModel) today() expense.Date {
	settings, err := l.store.Reader(owner).Settings(context.Background())
	if err != nil {
		l.Fatal(err)
	}
	if today := settings.Today(l.env.Now); today.After(l.latest) {
		l.latest = today
	}
	return l.latest
}

func (l *ruleModel) update(fn func(ctx context.Context, tx store.Tx) error) {
	ctx := context.Background()
	err := l.store.Update(ctx, owner, func(tx store.Tx) error { return fn(ctx, tx) })
	if err != nil && !errors.Is(err, expense.ErrInvalid) {
		l.Fatal(err)
	}
}

func (l *ruleModel) change(draft recurrence.Draft) {
	l.update(func(ctx context.Context, tx store.Tx) error {
		_, err := recurrence.Change(ctx, tx, l.env, l.id, draft, expense.Precondition{})
		return err
	})
	l.wantUpcoming()
}

// split changes the rule from a day on. The model continues with the new rule.
func (l *ruleModel) split(day expense.Date, draft recurrence.Draft) {
	l.update(func(ctx context.Context, tx store.Tx) error {
		fresh, err := recurrence.Split(ctx, tx, l.env, l.id, day.String(), draft, expense.Precondition{})
		if err == nil {
			l.id, l.settled = fresh.ID, expense.Date{}
			if day.After(l.from) {
				l.from = day // the previous rule ends before this date
			}
		}
		return err
	})
	l.wantUpcoming()
}

// wasPosted reports whether one of the rules has posted the occurrence.
func (l *ruleModel) wasPosted(day expense.Date) bool {
	for _, e := range l.posted {
		if e.Occurrence == day {
			return true
		}
	}
	return false
}

// predict adds the expense of an upcoming occurrence in advance, as a device does.
func (l *ruleModel) predict(nth int) {
	for i, day := range l.upcoming(nth + 1) {
		if i == nth {
			l.update(func(ctx context.Context, tx store.Tx) error {
				added, err := expense.Add(ctx, tx, l.env, expense.Draft{
					ID: expense.OccurrenceID(l.id, day).String(), Amount: "1", Date: day.String(), RuleID: l.id.String(),
					Occurrence: day.String(),
				})
				if err == nil {
					l.posted[added.Expense.ID], l.predicted[added.Expense.ID] = added.Expense, true
				}
				return err
			})
		}
	}
}

// upcoming returns the next n dates of the preview, starting today.
func (l *ruleModel) upcoming(n int) []expense.Date {
	ctx := context.Background()
	planned, err := recurrence.Preview(ctx, l.store.Reader(owner), l.env, l.id, recurrence.MaxPreview)
	if err != nil {
		l.Fatal(err)
	}
	var dates []expense.Date
	for _, p := range planned {
		if !p.Date.Before(l.today()) && len(dates) < n {
			dates = append(dates, p.Date)
		}
	}
	return dates
}

// wantUpcoming checks the upcoming dates after a change. They are the occurrences from today and from the last split,
// except skipped, posted and deleted ones.
func (l *ruleModel) wantUpcoming() {
	const n = 12
	ctx := context.Background()
	rule, err := l.store.Reader(owner).Rule(ctx, l.id)
	if err != nil {
		l.Fatal(err)
	}
	taken := map[expense.Date]bool{}
	for e, err := range l.store.Reader(owner).Expenses(ctx, expense.Query{}) {
		if err != nil {
			l.Fatal(err)
		}
		taken[e.Occurrence] = true
	}
	for _, e := range l.posted {
		taken[e.Occurrence] = true
	}
	from := l.today()
	if from.Before(l.from) {
		from = l.from
	}
	var want []expense.Date
	for day := range rule.Occurrences(from, expense.Date{}) {
		if len(want) == n {
			break
		}
		if !taken[day] && !l.skipped[day] {
			want = append(want, day)
		}
	}
	if got := l.upcoming(n); !slices.Equal(got, want) {
		l.Fatalf("after a change on %s with SettledThrough %q the preview = %v, want %v", l.today(), rule.SettledThrough, got,
			want)
	}
}

// TestPost_ExactlyOnceInRandomHistories advances the time, posts, changes, skips, pauses and deletes in random
// order.
func TestPost_ExactlyOnceInRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"UTC", "Pacific/Kiritimati", "America/Santiago", "Australia/Lord_Howe"}).Draw(t,
			"zone")
		l := &ruleModel{
			T: t, store: memstore.New(), env: expense.Env{Now: time.Date(2025, time.January, 20, 12, 0, 0, 0, time.UTC)},
			posted: map[uuid.UUID]expense.Expense{}, deleted: map[uuid.UUID]bool{}, skipped: map[expense.Date]bool{},
			predicted: map[uuid.UUID]bool{},
		}
		settings := ledgertest.Create(t, l.store, owner, l.env.Now, expense.SettingsDraft{TimeZone: &zone}).Settings
		l.update(func(ctx context.Context, tx store.Tx) error {
			added, err := recurrence.Add(ctx, tx, l.env, recurrence.Draft{
				Amount: new("1"), Freq: new(rapid.SampledFrom([]string{"daily", "weekly", "monthly"}).Draw(t, "freq")),
				Start:    new("2025-01-31"),
				Category: new("Travel"),
			})
			l.id = added.Rule.ID
			return err
		})
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { l.today(); l.check() },
			"archive": func(*rapid.T) {
				l.archived = !l.archived
				l.update(func(ctx context.Context, tx store.Tx) error {
					category, err := tx.CategoryByName(ctx, "Travel")
					if err == nil {
						_, err = expense.ChangeCategory(ctx, tx, l.env, category.ID, expense.CategoryPatch{Archived: &l.archived},
							expense.Precondition{})
					}
					return err
				})
			},
			"zone": func(t *rapid.T) {
				l.update(func(ctx context.Context, tx store.Tx) error {
					var err error
					if settings, err = tx.Settings(ctx); err == nil {
						settings.Zone, err = expense.ParseZone(
							rapid.SampledFrom([]string{"UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"}).Draw(t, "zone"))
					}
					if err == nil {
						_, err = tx.PutSettings(ctx, settings)
					}
					return err
				})
			},
			"pass": func(t *rapid.T) {
				l.env.Now = l.env.Now.Add(time.Duration(rapid.IntRange(1, 40*24).Draw(t, "hours")) * time.Hour)
			},
			"post": func(t *rapid.T) { l.post(rapid.Bool().Draw(t, "by hand")) },
			"amount": func(t *rapid.T) {
				l.change(recurrence.Draft{Amount: new(fmt.Sprint(rapid.IntRange(1, 9).Draw(t, "amount")))})
			},
			"pause": func(t *rapid.T) { l.change(recurrence.Draft{Paused: new(rapid.Bool().Draw(t, "paused"))}) },
			"freq": func(t *rapid.T) {
				l.change(
					recurrence.Draft{Freq: new(rapid.SampledFrom([]string{"daily", "weekly", "monthly", "yearly"}).Draw(t, "freq"))})
			},
			"start": func(t *rapid.T) {
				l.change(recurrence.Draft{Start: new(date("2025-01-01").AddDays(rapid.IntRange(0, 200).Draw(t, "start")).String())})
			},
			"until": func(t *rapid.T) {
				until := ""
				if days := rapid.IntRange(0, 400).Draw(t, "until"); days < 300 {
					until = date("2025-01-01").AddDays(days).String()
				}
				l.change(recurrence.Draft{Until: &until})
			},
			"skip": func(t *rapid.T) {
				day := settings.Today(l.env.Now).AddDays(rapid.IntRange(-10, 30).Draw(t, "day"))
				l.update(func(ctx context.Context, tx store.Tx) error {
					_, err := recurrence.SkipOccurrence(ctx, tx, l.env, l.id, day.String(), expense.Precondition{})
					if err == nil && !day.Before(l.from) && !l.wasPosted(day) {
						l.skipped[day] = true
					}
					return err
				})
			},
			"predict": func(t *rapid.T) { l.predict(rapid.IntRange(0, 5).Draw(t, "nth")) },
			"split": func(t *rapid.T) {
				draft := recurrence.Draft{Amount: new("7")}
				switch rapid.IntRange(0, 3).Draw(t, "what") {
				case 0:
					draft.Freq = new(rapid.SampledFrom([]string{"daily", "weekly", "monthly", "yearly"}).Draw(t, "freq"))
				case 1:
					draft.Interval = new(rapid.IntRange(1, 5).Draw(t, "interval"))
				case 2:
					draft.Paused = new(rapid.Bool().Draw(t, "paused"))
				}
				l.split(settings.Today(l.env.Now).AddDays(rapid.IntRange(-20, 60).Draw(t, "from")), draft)
			},
			"delete": func(t *rapid.T) {
				var left []expense.Expense
				for id, e := range l.posted {
					if !l.deleted[id] {
						left = append(left, e)
					}
				}
				if len(left) == 0 {
					return
				}
				slices.SortFunc(left, func(a, b expense.Expense) int { return a.Occurrence.Compare(b.Occurrence) })
				id := left[rapid.IntRange(0, len(left)-1).Draw(t, "nth")].ID
				l.update(func(ctx context.Context, tx store.Tx) error {
					return expense.Delete(ctx, tx, id, expense.Precondition{})
				})
				l.deleted[id] = true
			},
			"purge": func(t *rapid.T) {
				if len(l.predicted) > 0 {
					return // in production a tombstone outlives any prediction of a device
				}
				if err := l.store.Purge(context.Background(), time.Now().Add(time.Hour), time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
			},
		})
	})
}

// post posts all due occurrences and checks that each occurrence from Next to today has an expense. While the category
// is archived, Next must not pass an occurrence without an expense.
func (l *ruleModel) post(byHand bool) {
	ctx := context.Background()
	before, err := l.store.Reader(owner).Rule(ctx, l.id)
	if err != nil {
		l.Fatal(err)
	}
	postDue := jobs.PostDue
	if byHand {
		postDue = jobs.RetryDue
	}
	if _, err := postDue(ctx, l.store, l.env); err != nil {
		l.Fatal(err)
	}
	if l.archived {
		// An expense that a device added in advance counts as posted.
		after, err := l.store.Reader(owner).Rule(ctx, l.id)
		if err != nil {
			l.Fatal(err)
		}
		for day := range before.RemainingOccurrences(expense.Date{}) {
			if day == after.Next || after.Next.IsZero() {
				break
			}
			if known, err := l.store.Reader(owner).KnownExpenseIDs(ctx, expense.OccurrenceID(l.id, day)); err != nil ||
				len(known) != 1 {
				l.Fatalf("Next passed %s, which has no expense, %v", day, err)
			}
		}
		return
	}
	if lag, err := jobs.MeasurePostingLag(ctx, l.store, l.env.Now); err != nil || lag != (jobs.PostingLag{}) {
		l.Fatalf("posting lag after PostDue = %+v, %v; want none", lag, err)
	}
	settings, err := l.store.Reader(owner).Settings(ctx)
	if err != nil {
		l.Fatal(err)
	}
	for day := range before.RemainingOccurrences(expense.Date{}) {
		if before.Paused || day.StartIn(settings.Zone.Location()).After(l.env.Now) {
			break
		}
		id := expense.OccurrenceID(l.id, day)
		if known, err := l.store.Reader(owner).KnownExpenseIDs(ctx, id); err != nil || len(known) != 1 {
			l.Fatalf("the occurrence of %s was not posted, %v", day, err)
		}
	}
}

// check fails the test if the rule or its posted expenses violate an invariant.
func (l *ruleModel) check() {
	ctx := context.Background()
	rule, err := l.store.Reader(owner).Rule(ctx, l.id)
	if err != nil {
		l.Fatal(err)
	}
	settings, err := l.store.Reader(owner).Settings(ctx)
	if err != nil {
		l.Fatal(err)
	}
	zone := settings.Zone
	preview, err := recurrence.Preview(ctx, l.store.Reader(owner), l.env, l.id, 1)
	if err != nil {
		l.Fatal(err)
	}
	var first expense.Date
	for _, planned := range preview {
		first = planned.Date
	}
	next, err := recurrence.NextDates(ctx, l.store.Reader(owner), l.env, rule)
	if err != nil || next[0] != first {
		l.Fatalf("NextDates = %q, but the preview starts with %q, %v", next[0], first, err)
	}
	if rule.SettledThrough.Before(l.settled) || !rule.Next.IsZero() && !rule.Next.After(rule.SettledThrough) {
		l.Fatalf("Next = %q; SettledThrough changed from %q to %q", rule.Next, l.settled, rule.SettledThrough)
	}
	l.settled = rule.SettledThrough
	if rule.Skipped.Contains(rule.Next) {
		l.Fatalf("Next = %q is in Skipped %s", rule.Next, rule.Skipped)
	}
	occurrences := map[expense.Date]bool{}
	for e, err := range l.store.Reader(owner).Expenses(ctx, expense.Query{}) {
		switch before, known := l.posted[e.ID]; {
		case err != nil:
			l.Fatal(err)
		case occurrences[e.Occurrence]:
			l.Fatalf("%s was posted twice", e.Occurrence)
		case l.deleted[e.ID]:
			l.Fatalf("%s was posted again after it was deleted", e.Occurrence)
		case l.skipped[e.Occurrence]:
			l.Fatalf("%s was posted after it was skipped", e.Occurrence)
		case known && before != e:
			l.Fatalf("posted expense changed from %+v to %+v", before, e)
		case !known && !l.predicted[e.ID] && e.Occurrence.StartIn(zone.Location()).After(l.env.Now):
			l.Fatalf("%s was posted at %s, before the day started", e.Occurrence, l.env.Now)
		case e.ID != expense.OccurrenceID(e.RuleID, e.Occurrence) || e.Date != e.Occurrence:
			l.Fatalf("expense of an occurrence = %+v", e)
		}
		occurrences[e.Occurrence], l.posted[e.ID] = true, e
	}
}

// panickingRates panics for one currency.
type panickingRates struct{ risingRates }

func (p panickingRates) Rate(from, to expense.Currency, on expense.Date) (expense.Rate, bool) {
	if from.Code() == "JPY" {
		panic("no yen")
	}
	return p.risingRates.Rate(from, to, on)
}

func TestPostDue_ReportsPanicOfLedger(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	draft := daily("5", "2025-03-09")
	draft.Currency = new("JPY")
	l.add(draft)
	l.at("2025-03-10")
	l.env.Rates = panickingRates{}
	if _, err := jobs.PostDue(t.Context(), l.store, l.env); err == nil || !strings.Contains(err.Error(), "no yen") {
		t.Errorf("PostDue: %v", err)
	}
	l.env.Rates = risingRates{}
	if result := l.post(); result.Posted != 2 {
		t.Errorf("next PostDue = %+v", result)
	}
}

// countingStore records how many Updates run at the same time. Update returns an error for the owner in fails.
type countingStore struct {
	store.Store
	fails     expense.OwnerID
	now, most atomic.Int32
}

func (c *countingStore) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	now := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	if owner == c.fails {
		return errors.New("update failed")
	}
	runtime.Gosched()
	return c.Store.Update(ctx, owner, fn)
}

func TestPostDue_LimitsConcurrencyAndIsolatesFailures(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	st := &countingStore{Store: l.store, fails: "owner 7"}
	var owners []expense.OwnerID
	for i := range 60 {
		other := expense.OwnerID(fmt.Sprintf("owner %d", i))
		owners = append(owners, other)
		ledgertest.Create(t, l.store, other, l.env.Now, expense.SettingsDraft{TimeZone: new("Europe/Berlin")})
		if err := l.store.Update(t.Context(), other, func(tx store.Tx) error {
			_, err := recurrence.Add(t.Context(), tx, l.env, daily("1", "2025-03-07"))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	result, err := jobs.PostDue(t.Context(), st, l.env)
	if err == nil || !strings.Contains(err.Error(), "update failed") || result.Posted != 2*59 || result.Ledgers != 59 {
		t.Errorf("PostDue = %+v, %v", result, err)
	}
	if most := st.most.Load(); most > 4 {
		t.Errorf("PostDue updated %d ledgers at the same time, want at most 4", most)
	}
	for _, other := range owners {
		count := 0
		for _, err := range l.store.Reader(other).Expenses(t.Context(), expense.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			count++
		}
		if want := 2; other != st.fails && count != want || other == st.fails && count != 0 {
			t.Errorf("%s has %d expenses", other, count)
		}
	}
}

func FuzzParseDates(f *testing.F) {
	for _, seed := range []string{"", "2025-03-01", "2025-03-02,2025-03-01,2025-03-02", ",", "2025-03-01,", "0000-00-00",
		"2025-3-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := recurrence.ParseDateSet(text)
		if err != nil {
			if !errors.Is(err, expense.ErrInvalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := recurrence.ParseDateSet(set.String())
		if err != nil || again != set {
			t.Fatalf("ParseDateSet(%q) = %v, parsed again = %v, %v", text, set, again, err)
		}
		count := 0
		var last expense.Date
		for day := range set.All() {
			if !day.After(last) || !set.Contains(day) {
				t.Fatalf("%v contains %s after %s", set, day, last)
			}
			last, count = day, count+1
		}
		if count != set.Len() {
			t.Fatalf("%v has %d dates, but Len returns %d", set, count, set.Len())
		}
	})
}
