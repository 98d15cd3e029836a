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
	"github.com/spendwise/spendwise/store/memstore"
)

// ExamplePost adds a rent with two due occurrences and calls Post twice. The second call has nothing to post.
func ExamplePost() {
	ctx, now := context.Background(), time.Date(2025, time.March, 1, 9, 0, 0, 0, time.UTC)
	st, env := memstore.New(), expense.Env{Now: now}
	settings, err := expense.NewSettings(expense.SettingsDraft{TimeZone: new("Europe/Berlin")})
	if err == nil {
		_, err = st.CreateLedger(ctx, "ada", expense.NewInitialLedger("ada", settings, now))
	}
	if err == nil {
		err = st.Update(ctx, "ada", func(tx store.Tx) error {
			_, err := recurrence.Add(ctx, tx, env, recurrence.Draft{
				Amount: new("800"), Category: new("Housing"), RRULE: new("FREQ=MONTHLY;BYMONTHDAY=-1"), Start: new("2025-01-01"),
			})
			return err
		})
	}
	for range 2 {
		if err == nil {
			err = st.Update(ctx, "ada", func(tx store.Tx) error {
				posting, err := recurrence.Post(ctx, tx, env)
				fmt.Println("posted", posting.Posted)
				return err
			})
		}
	}
	for e, failed := range st.Reader("ada").Expenses(ctx, expense.Query{Sort: expense.OldestFirst}) {
		err = errors.Join(err, failed)
		fmt.Println(e.Date, e.Amount)
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// posted 2
	// posted 0
	// 2025-01-31 800.00 EUR
	// 2025-02-28 800.00 EUR
}

// A life is the history of a rule in a ledger, with what the test expects of it.
type life struct {
	*rapid.T
	store   store.Store
	env     expense.Env
	id      uuid.UUID
	from    expense.Date // the day of the last split
	settled expense.Date
	posted  map[uuid.UUID]expense.Expense // including deleted ones
	deleted map[uuid.UUID]bool
	skipped map[expense.Date]bool

	predicted map[uuid.UUID]bool // added in advance by a device
	archived  bool               // the category is archived, so nothing can be posted
	// The latest local date so far; it may go back when the ledger moves to a zone further west.
	latest expense.Date
}

// today returns the day from which on a change of the rule applies.
func (l *life) today() expense.Date {
	settings, err := l.store.Reader(owner).Settings(context.Background())
	if err != nil {
		l.Fatal(err)
	}
	if today := settings.Today(l.env.Now); today.After(l.latest) {
		l.latest = today
	}
	return l.latest
}

func (l *life) update(fn func(ctx context.Context, tx store.Tx) error) {
	ctx := context.Background()
	err := l.store.Update(ctx, owner, func(tx store.Tx) error { return fn(ctx, tx) })
	if err != nil && !errors.Is(err, expense.ErrInvalid) {
		l.Fatal(err)
	}
}

func (l *life) change(draft recurrence.Draft) {
	l.update(func(ctx context.Context, tx store.Tx) error {
		_, err := recurrence.Change(ctx, tx, l.env, l.id, draft, expense.Precondition{})
		return err
	})
	l.wantUpcoming()
}

// split changes the rule from a day on, and continues with the new rule.
func (l *life) split(day expense.Date, draft recurrence.Draft) {
	l.update(func(ctx context.Context, tx store.Tx) error {
		fresh, err := recurrence.Split(ctx, tx, l.env, l.id, day.String(), draft, expense.Precondition{})
		if err == nil {
			l.id, l.settled = fresh.ID, expense.Date{}
			if day.After(l.from) {
				l.from = day // the rule before it goes on up to here
			}
		}
		return err
	})
	l.wantUpcoming()
}

// wasPosted reports whether an occurrence was posted by one of the rules.
func (l *life) wasPosted(day expense.Date) bool {
	for _, e := range l.posted {
		if e.Occurrence == day {
			return true
		}
	}
	return false
}

// predict adds the expense of an upcoming occurrence in advance, as a device does.
func (l *life) predict(nth int) {
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

// upcoming returns the next n dates of the preview, from today on.
func (l *life) upcoming(n int) []expense.Date {
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

// wantUpcoming checks the upcoming dates after a change. They are the occurrences from today and from the last split
// on, without those that were skipped, posted or deleted in one of the rules.
func (l *life) wantUpcoming() {
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
		l.Fatalf("after an edit on %s the rule, settled to %q, comes on %v, want %v", l.today(), rule.SettledThrough, got,
			want)
	}
}

// TestWhateverHappensAnOccurrenceIsPostedOnce advances the time, posts, changes, skips, pauses and deletes in random
// order.
func TestWhateverHappensAnOccurrenceIsPostedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"UTC", "Pacific/Kiritimati", "America/Santiago", "Australia/Lord_Howe"}).Draw(t,
			"zone")
		settings, err := expense.NewSettings(expense.SettingsDraft{TimeZone: &zone})
		if err != nil {
			t.Fatal(err)
		}
		l := &life{
			T: t, store: memstore.New(), env: expense.Env{Now: time.Date(2025, time.January, 20, 12, 0, 0, 0, time.UTC)},
			posted: map[uuid.UUID]expense.Expense{}, deleted: map[uuid.UUID]bool{}, skipped: map[expense.Date]bool{},
			predicted: map[uuid.UUID]bool{},
		}
		if _, err := l.store.CreateLedger(context.Background(), owner,
			expense.NewInitialLedger(owner, settings, l.env.Now)); err != nil {
			t.Fatal(err)
		}
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
					return // a tombstone is kept for longer than a device may predict
				}
				if err := l.store.Purge(context.Background(), time.Now().Add(time.Hour), time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
			},
		})
	})
}

// post posts what is due and checks that every occurrence from the cursor up to today has its expense. While the
// category is archived, the cursor must stay.
func (l *life) post(byHand bool) {
	ctx := context.Background()
	before, err := l.store.Reader(owner).Rule(ctx, l.id)
	if err != nil {
		l.Fatal(err)
	}
	round := jobs.PostDue
	if byHand {
		round = jobs.RetryDue
	}
	if _, err := round(ctx, l.store, l.env); err != nil {
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
				l.Fatalf("the cursor passed %s, which could not be posted, %v", day, err)
			}
		}
		return
	}
	if lag, err := jobs.MeasurePostingLag(ctx, l.store, l.env.Now); err != nil || lag != (jobs.PostingLag{}) {
		l.Fatalf("after a round the lag is %+v, %v", lag, err)
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

// check checks the invariants.
func (l *life) check() {
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
		l.Fatalf("the next date is %q, and the preview begins with %q, %v", next[0], first, err)
	}
	if rule.SettledThrough.Before(l.settled) || !rule.Next.IsZero() && !rule.Next.After(rule.SettledThrough) {
		l.Fatalf("the cursor is on %q, and what is settled went from %q to %q", rule.Next, l.settled, rule.SettledThrough)
	}
	l.settled = rule.SettledThrough
	if rule.Skipped.Contains(rule.Next) {
		l.Fatalf("the cursor is on %q, skipped are %s", rule.Next, rule.Skipped)
	}
	occurrences := map[expense.Date]bool{}
	for e, err := range l.store.Reader(owner).Expenses(ctx, expense.Query{}) {
		switch before, known := l.posted[e.ID]; {
		case err != nil:
			l.Fatal(err)
		case occurrences[e.Occurrence]:
			l.Fatalf("%s was posted twice", e.Occurrence)
		case l.deleted[e.ID]:
			l.Fatalf("%s came back after it was deleted", e.Occurrence)
		case l.skipped[e.Occurrence]:
			l.Fatalf("%s was posted after it was skipped", e.Occurrence)
		case known && before != e:
			l.Fatalf("what was posted changed from %+v to %+v", before, e)
		case !known && !l.predicted[e.ID] && e.Occurrence.StartIn(zone.Location()).After(l.env.Now):
			l.Fatalf("%s was posted at %s, before it began", e.Occurrence, l.env.Now)
		case e.ID != expense.OccurrenceID(e.RuleID, e.Occurrence) || e.Date != e.Occurrence:
			l.Fatalf("an occurrence is %+v", e)
		}
		occurrences[e.Occurrence], l.posted[e.ID] = true, e
	}
}

// panicking has rates that panic for one currency.
type panicking struct{ rising }

func (p panicking) Rate(from, to expense.Currency, on expense.Date) (expense.Rate, bool) {
	if from.Code() == "JPY" {
		panic("no yen")
	}
	return p.rising.Rate(from, to, on)
}

func TestALedgerThatPanicsEndsNoRound(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	draft := daily("5", "2025-03-09")
	draft.Currency = new("JPY")
	l.add(draft)
	l.at("2025-03-10")
	l.env.Rates = panicking{}
	if _, err := jobs.PostDue(t.Context(), l.store, l.env); err == nil || !strings.Contains(err.Error(), "no yen") {
		t.Errorf("the round says %v", err)
	}
	l.env.Rates = rising{}
	if round := l.post(); round.Posted != 2 {
		t.Errorf("the next round did %+v", round)
	}
}

// crowded is a store that records how many Updates run at the same time, and fails for one owner.
type crowded struct {
	store.Store
	fails     expense.OwnerID
	now, most atomic.Int32
}

func (c *crowded) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	now := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	if owner == c.fails {
		return errors.New("no ledger for you")
	}
	runtime.Gosched()
	return c.Store.Update(ctx, owner, fn)
}

func TestARoundWorksInFewLedgersAtOnceAndOneThatFailsHoldsUpNoOther(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	settings, err := l.store.Reader(owner).Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st := &crowded{Store: l.store, fails: "owner 7"}
	var owners []expense.OwnerID
	for i := range 60 {
		other := expense.OwnerID(fmt.Sprintf("owner %d", i))
		owners = append(owners, other)
		if _, err := l.store.CreateLedger(t.Context(), other,
			expense.NewInitialLedger(other, settings, l.env.Now)); err != nil {
			t.Fatal(err)
		}
		if err := l.store.Update(t.Context(), other, func(tx store.Tx) error {
			_, err := recurrence.Add(t.Context(), tx, l.env, daily("1", "2025-03-07"))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	round, err := jobs.PostDue(t.Context(), st, l.env)
	if err == nil || !strings.Contains(err.Error(), "no ledger for you") || round.Posted != 2*59 || round.Ledgers != 59 {
		t.Errorf("the round did %+v, %v", round, err)
	}
	if most := st.most.Load(); most > 4 {
		t.Errorf("a round worked in %d ledgers at once", most)
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
			t.Fatalf("%q reads as %v, and that as %v, %v", text, set, again, err)
		}
		count := 0
		var last expense.Date
		for day := range set.All() {
			if !day.After(last) || !set.Contains(day) {
				t.Fatalf("%v holds %s after %s", set, day, last)
			}
			last, count = day, count+1
		}
		if count != set.Len() {
			t.Fatalf("%v has %d dates, and says %d", set, count, set.Len())
		}
	})
}
