package recurrence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

// ledger is a ledger in a memstore, with the home currency EUR and the time zone Europe/Berlin. Tests set the current
// time with at.
type ledger struct {
	t     *testing.T
	store store.Store
	env   expense.Env
}

const owner expense.OwnerID = "ada"

// risingRates has a rate of the dollar that depends on the day of the month: 1.01 on the first, 1.02 on the second.
type risingRates struct{}

func (risingRates) Rate(_, _ expense.Currency, on expense.Date) (expense.Rate, bool) {
	return expense.Rate{Value: expense.MustFactor(fmt.Sprintf("1.%02d", on.Day())), Date: on, Source: "test"}, true
}

func newLedger(t *testing.T, now string) *ledger {
	t.Helper()
	l := &ledger{t: t, store: memstore.New(), env: expense.Env{Rates: risingRates{}}}
	l.at(now)
	ledgertest.Create(t, l.store, owner, l.env.Now, expense.SettingsDraft{TimeZone: new("Europe/Berlin")})
	return l
}

// at sets the current time: noon UTC of a date, or an RFC 3339 time.
func (l *ledger) at(now string) {
	l.t.Helper()
	if len(now) == len("2025-01-01") {
		now += "T12:00:00Z"
	}
	instant, err := time.Parse(time.RFC3339, now)
	if err != nil {
		l.t.Fatal(err)
	}
	l.env.Now = instant
}

func (l *ledger) update(fn func(ctx context.Context, tx store.Tx) error) error {
	return l.store.Update(l.t.Context(), owner, func(tx store.Tx) error { return fn(l.t.Context(), tx) })
}

// rule calls a use case that returns a rule. It fails the test if the use case returns an error.
func (l *ledger) rule(fn func(ctx context.Context, tx store.Tx) (recurrence.Rule, error)) recurrence.Rule {
	l.t.Helper()
	var rule recurrence.Rule
	err := l.update(func(ctx context.Context, tx store.Tx) (err error) {
		rule, err = fn(ctx, tx)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return rule
}

func (l *ledger) tryAdd(draft recurrence.Draft) (added recurrence.AddResult, err error) {
	err = l.update(func(ctx context.Context, tx store.Tx) (err error) {
		added, err = recurrence.Add(ctx, tx, l.env, draft)
		return err
	})
	return added, err
}

func (l *ledger) add(draft recurrence.Draft) recurrence.Rule {
	l.t.Helper()
	added, err := l.tryAdd(draft)
	if err != nil {
		l.t.Fatal(err)
	}
	return added.Rule
}

func (l *ledger) change(id uuid.UUID, draft recurrence.Draft) recurrence.Rule {
	l.t.Helper()
	return l.rule(func(ctx context.Context, tx store.Tx) (recurrence.Rule, error) {
		return recurrence.Change(ctx, tx, l.env, id, draft, expense.Precondition{})
	})
}

func (l *ledger) trySplit(id uuid.UUID, from string, draft recurrence.Draft) (rule recurrence.Rule, err error) {
	err = l.update(func(ctx context.Context, tx store.Tx) (err error) {
		rule, err = recurrence.Split(ctx, tx, l.env, id, from, draft, expense.Precondition{})
		return err
	})
	return rule, err
}

func (l *ledger) trySkip(id uuid.UUID, date string) (rule recurrence.Rule, err error) {
	err = l.update(func(ctx context.Context, tx store.Tx) (err error) {
		rule, err = recurrence.SkipOccurrence(ctx, tx, l.env, id, date, expense.Precondition{})
		return err
	})
	return rule, err
}

// post posts all due occurrences. It then checks that a second call has nothing to post.
func (l *ledger) post() jobs.PostDueResult {
	l.t.Helper()
	result, err := jobs.PostDue(l.t.Context(), l.store, l.env)
	if err != nil {
		l.t.Fatal(err)
	}
	again, err := jobs.PostDue(l.t.Context(), l.store, l.env)
	if err != nil || again != (jobs.PostDueResult{}) {
		l.t.Fatalf("second PostDue at the same time = %+v, %v; want nothing posted", again, err)
	}
	return result
}

func (l *ledger) read(id uuid.UUID) recurrence.Rule {
	l.t.Helper()
	rule, err := l.store.Reader(owner).Rule(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return rule
}

func (l *ledger) expenses(rule uuid.UUID) []expense.Expense {
	l.t.Helper()
	var list []expense.Expense
	query := expense.Query{Filter: expense.Filter{RuleID: rule}, Sort: expense.OldestFirst}
	for e, err := range l.store.Reader(owner).Expenses(l.t.Context(), query) {
		if err != nil {
			l.t.Fatal(err)
		}
		if e.ID != expense.OccurrenceID(rule, e.Occurrence) {
			l.t.Errorf("the expense of occurrence %s has the id %s", e.Occurrence, e.ID)
		}
		list = append(list, e)
	}
	return list
}

// wantPosted compares the dates and amounts of the posted expenses of a rule with want.
func (l *ledger) wantPosted(rule uuid.UUID, want string) {
	l.t.Helper()
	var got []string
	for _, e := range l.expenses(rule) {
		got = append(got, e.Occurrence.String()+" "+e.Amount.Amount())
	}
	if strings.Join(got, ", ") != want {
		l.t.Errorf("posted: %s\nwant:   %s", strings.Join(got, ", "), want)
	}
}

func (l *ledger) preview(id uuid.UUID, n int) string {
	l.t.Helper()
	planned, err := recurrence.Preview(l.t.Context(), l.store.Reader(owner), l.env, id, n)
	if err != nil {
		l.t.Fatal(err)
	}
	var dates []string
	for _, p := range planned {
		dates = append(dates, p.Date.String())
	}
	return strings.Join(dates, " ")
}

func (l *ledger) archive(name string, archived bool) {
	l.t.Helper()
	err := l.update(func(ctx context.Context, tx store.Tx) error {
		category, err := tx.CategoryByName(ctx, name)
		if err != nil {
			return err
		}
		_, err = expense.ChangeCategory(ctx, tx, l.env, category.ID, expense.CategoryPatch{Archived: &archived},
			expense.Precondition{})
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

func daily(amount, start string) recurrence.Draft {
	return recurrence.Draft{Amount: &amount, Freq: new("daily"), Start: &start}
}

func monthly(amount, start string) recurrence.Draft {
	return recurrence.Draft{Amount: &amount, Freq: new("monthly"), Start: &start}
}

func TestPost_EachOccurrenceOnItsDate(t *testing.T) {
	l := newLedger(t, "2025-01-30")
	rent := l.add(monthly("800", "2025-01-31"))
	if result := l.post(); result != (jobs.PostDueResult{}) {
		t.Errorf("PostDue before the first occurrence = %+v", result)
	}
	l.at("2025-01-30T23:00:00Z") // 31 January 00:00 in Berlin
	result := l.post()
	if result.Posted != 1 || result.Ledgers != 1 || !result.OldestDue.Equal(l.env.Now) {
		t.Errorf("PostDue at the start of the day = %+v", result)
	}
	l.at("2025-04-30")
	l.post()
	l.wantPosted(rent.ID, "2025-01-31 800.00, 2025-02-28 800.00, 2025-03-31 800.00, 2025-04-30 800.00")
	read := l.read(rent.ID)
	if read.Next != date("2025-05-31") || read.Guard != rent.Guard || read.UpdatedAt != rent.UpdatedAt {
		t.Errorf("rule after posting = %+v", read)
	}
	e := l.expenses(rent.ID)[1]
	if e.Date != date("2025-02-28") || e.RuleID != rent.ID || e.Occurrence != e.Date || e.CategoryID != rent.CategoryID {
		t.Errorf("posted expense = %+v", e)
	}
}

func TestPost_CatchesUpAfterDowntime(t *testing.T) {
	l := newLedger(t, "2025-02-20")
	draft := daily("3", "2025-02-20")
	draft.Currency = new("USD")
	rule := l.add(draft)
	l.post()
	l.at("2025-04-01") // 40 days later
	if result := l.post(); result.Posted != 40 {
		t.Errorf("PostDue after 40 days = %+v", result)
	}
	all := l.expenses(rule.ID)
	if len(all) != 41 {
		t.Fatalf("%d expenses, want 41", len(all))
	}
	for i, e := range all {
		want := date("2025-02-20").AddDays(i)
		rate := expense.MustFactor(fmt.Sprintf("1.%02d", want.Day()))
		if e.Date != want || e.Occurrence != want || e.Rate.Date != want || e.Rate.Value != rate {
			t.Errorf("expense %d = %+v", i, e)
		}
	}
}

func TestPost_LimitsRowsPerUpdate(t *testing.T) {
	l := newLedger(t, "2025-01-01")
	for range 3 {
		l.add(daily("1", "2024-01-01")) // 367 occurrences each
	}
	var postings []recurrence.PostResult
	for more := true; more; {
		err := l.update(func(ctx context.Context, tx store.Tx) error {
			posting, err := recurrence.Post(ctx, tx, l.env)
			postings = append(postings, posting)
			more = posting.More
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []recurrence.PostResult{{Posted: 500, More: true}, {Posted: 500, More: true}, {Posted: 101}}
	if !slices.Equal(postings, want) {
		t.Errorf("post results = %+v, want %+v", postings, want)
	}
}

func TestPost_CountsExistingAndDeletedOccurrences(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	rule := l.add(daily("5", "2025-03-08"))
	// A device added the occurrence of the 9th in advance. The user edited and deleted the occurrence of the 8th.
	for _, day := range []string{"2025-03-08", "2025-03-09", "2025-03-12"} {
		err := l.update(func(ctx context.Context, tx store.Tx) error {
			_, err := expense.Add(ctx, tx, l.env, expense.Draft{
				ID: expense.OccurrenceID(rule.ID, date(day)).String(), Amount: "5", Date: day, RuleID: rule.ID.String(),
				Occurrence: day,
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	deleted := expense.OccurrenceID(rule.ID, date("2025-03-08"))
	remove := func(id uuid.UUID) {
		if err := l.update(func(ctx context.Context, tx store.Tx) error {
			return expense.Delete(ctx, tx, id, expense.Precondition{})
		}); err != nil {
			t.Fatal(err)
		}
	}
	remove(deleted)
	if got, want := l.preview(rule.ID, 3), "2025-03-10 2025-03-11 2025-03-13"; got != want {
		t.Errorf("preview = %s, want %s", got, want)
	}
	if result := l.post(); result.Posted != 1 || result.Ledgers != 1 {
		t.Errorf("PostDue = %+v", result)
	}
	l.wantPosted(rule.ID, "2025-03-09 5.00, 2025-03-10 5.00, 2025-03-12 5.00")

	// A purge, a change of the rule and a catch-up do not post a deleted occurrence again.
	remove(expense.OccurrenceID(rule.ID, date("2025-03-10")))
	if err := l.store.Purge(t.Context(), time.Now().Add(time.Hour), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	l.change(rule.ID, recurrence.Draft{Amount: new("6"), Start: new("2025-03-01")})
	l.change(rule.ID, recurrence.Draft{Until: new("2025-03-10")})
	l.change(rule.ID, recurrence.Draft{Until: new("")})
	l.at("2025-03-12")
	l.post()
	l.wantPosted(rule.ID, "2025-03-09 5.00, 2025-03-11 6.00, 2025-03-12 5.00")
}

func TestPost_FailingRuleDoesNotBlockOthers(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	good, bad := daily("5", "2025-03-09"), daily("7", "2025-03-08")
	bad.Category = new("Travel")
	goodRule, badRule := l.add(good), l.add(bad)
	l.post()
	l.archive("Travel", true)
	l.at("2025-03-10")
	result := l.post()
	if result.Posted != 2 || result.Failed != 1 {
		t.Errorf("PostDue = %+v", result)
	}
	l.wantPosted(goodRule.ID, "2025-03-09 5.00, 2025-03-10 5.00")
	l.wantPosted(badRule.ID, "2025-03-08 7.00")
	failed := l.read(badRule.ID)
	if failed.Next != date("2025-03-09") || failed.Failures != 1 || !failed.RetryAt.Equal(l.env.Now.Add(time.Minute)) ||
		!strings.Contains(failed.LastError, `"Travel" is archived`) || failed.Guard != badRule.Guard {
		t.Errorf("failing rule = %+v", failed)
	}
	// The retry delay doubles, up to twelve hours.
	start := l.env.Now
	for range 14 {
		l.env.Now = l.read(badRule.ID).RetryAt
		l.post()
	}
	failed = l.read(badRule.ID)
	if failed.Failures != 15 || failed.RetryAt.Sub(l.env.Now) != 12*time.Hour || failed.Next != date("2025-03-09") {
		t.Errorf("after 14 more attempts since %s the failing rule = %+v", start, failed)
	}
	// When the cause is removed, all missing occurrences are posted.
	l.archive("Travel", false)
	l.env.Now = failed.RetryAt
	l.post()
	repaired := l.read(badRule.ID)
	if repaired.LastError != "" || repaired.Failures != 0 || !repaired.RetryAt.IsZero() ||
		repaired.Next.Before(date("2025-03-12")) {
		t.Errorf("rule after a successful retry = %+v", repaired)
	}
	if got := len(l.expenses(badRule.ID)); got != repaired.Next.Sub(date("2025-03-08")) {
		t.Errorf("after a successful retry the rule has %d expenses, next occurrence %s", got, repaired.Next)
	}
}

func TestMeasurePostingLag_CountsFromOccurrenceOfFailingRule(t *testing.T) {
	l := newLedger(t, "2025-03-07T23:30:00Z") // 8 March 00:30 in Berlin
	bad := daily("7", "2025-03-08")
	bad.Category = new("Travel")
	rule := l.add(bad)
	l.archive("Travel", true)
	wantLag := func(oldest, overdue time.Duration) {
		t.Helper()
		lag, err := jobs.MeasurePostingLag(t.Context(), l.store, l.env.Now)
		if err != nil || lag != (jobs.PostingLag{OldestAge: oldest, Overdue: overdue}) {
			t.Errorf("posting lag = %+v, %v; want %s and %s", lag, err, oldest, overdue)
		}
	}
	wantLag(30*time.Minute, 30*time.Minute)
	l.post()
	wantLag(30*time.Minute, 0)
	l.env.Now = l.env.Now.Add(90 * time.Second) // the first retry became due 30 seconds ago
	wantLag(31*time.Minute+30*time.Second, 30*time.Second)
	l.at("2025-03-10")
	wantLag(2*24*time.Hour+13*time.Hour, 2*24*time.Hour+13*time.Hour-31*time.Minute)
	l.post()
	l.add(daily("1", "2025-03-10"))
	wantLag(2*24*time.Hour+13*time.Hour, 13*time.Hour)
	l.post()
	l.change(rule.ID, recurrence.Draft{Category: new("Food")})
	l.post()
	wantLag(0, 0)
}

func TestPostDue_IgnoresRetryDelayOnRequest(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	large := daily("9999999999999", "2025-03-08") // two of them exceed the limit of a ledger's total amount
	rule := l.add(large)
	l.at("2025-03-09")
	l.post()
	failed := l.read(rule.ID)
	if failed.LastError == "" || failed.Next != date("2025-03-09") {
		t.Fatalf("rule = %+v", failed)
	}
	retry := func() jobs.PostDueResult {
		t.Helper()
		result, err := jobs.RetryDue(t.Context(), l.store, l.env)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	l.env.Now = l.env.Now.Add(time.Second)
	if result := retry(); result.Failed != 1 || result.Posted != 0 {
		t.Errorf("RetryDue = %+v, want one more failure", result)
	}
	if again := l.read(rule.ID); again.Failures != failed.Failures+1 {
		t.Errorf("failures before RetryDue = %d, after = %d", failed.Failures, again.Failures)
	}
	if result := retry(); result.Posted+result.Failed != 0 {
		t.Errorf("second RetryDue at the same time = %+v", result)
	}
	// After the deletion, the amount is within the limit. PostDue waits for the retry time. RetryDue does not.
	if err := l.update(func(ctx context.Context, tx store.Tx) error {
		return expense.Delete(ctx, tx, expense.OccurrenceID(rule.ID, date("2025-03-08")), expense.Precondition{})
	}); err != nil {
		t.Fatal(err)
	}
	if result := l.post(); result != (jobs.PostDueResult{}) {
		t.Errorf("PostDue before the retry time = %+v", result)
	}
	l.env.Now = l.env.Now.Add(time.Second)
	if result := retry(); result.Posted != 1 || result.Failed != 0 {
		t.Errorf("RetryDue = %+v, want one posted occurrence", result)
	}
	l.wantPosted(rule.ID, "2025-03-09 9999999999999.00")
}

func TestChange_ClearsFailureAtOnce(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	draft := daily("7", "2025-03-09")
	draft.Category = new("Travel")
	rule := l.add(draft)
	l.archive("Travel", true)
	l.at("2025-03-10")
	l.post()
	if changed := l.change(rule.ID, recurrence.Draft{Category: new("Food")}); changed.LastError != "" ||
		changed.Failures != 0 {
		t.Errorf("changed rule = %+v", changed)
	}
	l.post()
	l.wantPosted(rule.ID, "2025-03-09 7.00, 2025-03-10 7.00")
}

func TestPost_StopsAtEndOfCurrency(t *testing.T) {
	last := expense.MustCurrency("HRK").LegalTender().To
	l := newLedger(t, last.AddDays(-3).String())
	draft := daily("10", last.AddDays(-1).String())
	draft.Currency = new("HRK")
	rule := l.add(draft)
	l.at(last.AddDays(4).String())
	if result := l.post(); result.Posted != 2 || result.Failed != 1 {
		t.Errorf("PostDue = %+v", result)
	}
	if read := l.read(rule.ID); read.Next != last.AddDays(1) ||
		!strings.Contains(read.LastError, "HRK ceased to be legal tender") {
		t.Errorf("rule = %+v", read)
	}
	// Skipping an occurrence that cannot be posted lets the rule continue after it.
	if skipped, err := l.trySkip(rule.ID, last.AddDays(1).String()); err != nil || skipped.LastError != "" ||
		skipped.Next != last.AddDays(2) {
		t.Errorf("rule after a skip = %+v, %v", skipped, err)
	}
}

func TestPost_FullLedgerTakesSmallerRules(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	large := l.add(daily("4000000000000", "2025-03-09")) // 4·10^14 minor units a day; the third exceeds the limit
	small := l.add(daily("1", "2025-03-09"))
	l.at("2025-03-12")
	if result := l.post(); result.Posted != 6 || result.Failed != 1 {
		t.Errorf("PostDue = %+v", result)
	}
	l.wantPosted(small.ID, "2025-03-09 1.00, 2025-03-10 1.00, 2025-03-11 1.00, 2025-03-12 1.00")
	if read := l.read(large.ID); read.Next != date("2025-03-11") || !strings.Contains(read.LastError, "10^15") ||
		strings.Contains(read.LastError, "add 1") {
		t.Errorf("rule with the large amount = %+v", read)
	}
}

func TestSkip(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	rule := l.add(daily("5", "2025-03-08"))
	l.post()
	for _, test := range []struct{ date, want string }{
		{"2025-03-08", "date already_posted"}, {"2025-03-07", "date no_occurrence"}, {"tomorrow", "date malformed_date"},
	} {
		if _, err := l.trySkip(rule.ID, test.date); fieldErrors(err) != test.want {
			t.Errorf("Skip(%s): %s, want %s", test.date, fieldErrors(err), test.want)
		}
	}
	for _, day := range []string{"2025-03-12", "2025-03-10", "2025-03-09", "2025-03-12"} {
		if _, err := l.trySkip(rule.ID, day); err != nil {
			t.Errorf("Skip(%s): %v", day, err)
		}
	}
	read := l.read(rule.ID)
	if read.Next != date("2025-03-11") || read.Skipped.String() != "2025-03-09,2025-03-10,2025-03-12" ||
		read.Guard != rule.Guard {
		t.Errorf("rule = %+v", read)
	}
	if again, err := l.trySkip(rule.ID, "2025-03-09"); err != nil || again.Version != read.Version {
		t.Errorf("second Skip of a past occurrence: version %d, %v", again.Version, err)
	}
	if got, want := l.preview(rule.ID, 3), "2025-03-11 2025-03-13 2025-03-14"; got != want {
		t.Errorf("preview = %s, want %s", got, want)
	}
	l.at("2025-03-13")
	l.post()
	l.wantPosted(rule.ID, "2025-03-08 5.00, 2025-03-11 5.00, 2025-03-13 5.00")
	if read := l.read(rule.ID); read.Next != date("2025-03-14") || read.Skipped.Len() != 0 {
		t.Errorf("rule = %+v", read)
	}
	for i := range recurrence.MaxSkipped {
		if _, err := l.trySkip(rule.ID, date("2025-03-20").AddDays(i).String()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.trySkip(rule.ID, "2030-01-01"); fieldErrors(err) != "date too_many" {
		t.Errorf("Skip above the limit: %v", err)
	}
}

func TestSkip_HoldsAfterStartMovesBack(t *testing.T) {
	l := newLedger(t, "2025-01-24")
	rule := l.add(daily("1", "2025-02-01"))
	l.change(rule.ID, recurrence.Draft{Start: new("2025-01-02")}) // applies from today, so the 23rd is not posted
	if _, err := l.trySkip(rule.ID, "2025-01-23"); err != nil {
		t.Fatal(err)
	}
	if err := l.update(func(ctx context.Context, tx store.Tx) error {
		settings, err := tx.Settings(ctx)
		if err == nil {
			settings.Zone, err = expense.ParseZone("Pacific/Pago_Pago")
		}
		if err == nil {
			_, err = tx.PutSettings(ctx, settings)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	l.at("2025-01-24T01:00:00Z") // still the 23rd in the ledger's zone
	l.change(rule.ID, recurrence.Draft{Amount: new("2")})
	l.at("2025-01-25")
	l.post()
	l.wantPosted(rule.ID, "2025-01-24 2.00, 2025-01-25 2.00")
}

func TestChange_PausedRuleSkipsMissedOccurrences(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	rule := l.add(daily("5", "2025-03-06"))
	// The change posts the occurrences that were due before the pause.
	if paused := l.change(rule.ID, recurrence.Draft{Paused: new(true)}); paused.Next != date("2025-03-09") ||
		paused.Guard != rule.Guard {
		t.Errorf("paused rule = %+v", paused)
	}
	l.at("2025-03-20")
	if result := l.post(); result != (jobs.PostDueResult{}) {
		t.Errorf("PostDue with a paused rule = %+v", result)
	}
	if got, want := l.preview(rule.ID, 2), "2025-03-20 2025-03-21"; got != want {
		t.Errorf("preview = %s, want %s", got, want)
	}
	l.change(rule.ID, recurrence.Draft{Notes: new("still paused")})
	l.change(rule.ID, recurrence.Draft{Paused: new(false)})
	l.post()
	l.wantPosted(rule.ID, "2025-03-06 5.00, 2025-03-07 5.00, 2025-03-08 5.00, 2025-03-20 5.00")
	e := l.expenses(rule.ID)
	if e[0].Notes != "" || e[3].Notes != "still paused" {
		t.Errorf("notes = %q and %q", e[0].Notes, e[3].Notes)
	}
}

func TestChange_AppliesFromToday(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	rule := l.add(monthly("800", "2025-01-01"))
	// The occurrences of January to March are due under the old rule and not posted yet.
	changed := l.change(rule.ID, recurrence.Draft{Amount: new("850"), MonthDay: new("15")})
	if changed.Next != date("2025-03-15") || changed.Guard != changed.Version {
		t.Errorf("changed rule = %+v", changed)
	}
	l.wantPosted(rule.ID, "2025-01-01 800.00, 2025-02-01 800.00, 2025-03-01 800.00")
	if again := l.change(rule.ID, recurrence.Draft{Amount: new("850.00"), MonthDay: new("15")}); again != changed {
		t.Errorf("an empty change returned %+v, want unchanged %+v", again, changed)
	}
	l.at("2025-05-20")
	l.post()
	l.wantPosted(rule.ID, "2025-01-01 800.00, 2025-02-01 800.00, 2025-03-01 800.00, "+
		"2025-03-15 850.00, 2025-04-15 850.00, 2025-05-15 850.00")
	// Past occurrences are not posted again. Future occurrences follow the new rule, even if the old rule had ended.
	for _, test := range []struct {
		name  string
		draft recurrence.Draft
		next  string
	}{
		{"weekly", recurrence.Draft{Freq: new("weekly"), Weekdays: []string{"mon", "thu"}}, "2025-05-22"},
		{"from an earlier start", recurrence.Draft{Start: new("2024-01-01")}, "2025-05-22"},
		{"daily, by an RRULE", recurrence.Draft{RRULE: new("FREQ=DAILY")}, "2025-05-20"},
		{"ended", recurrence.Draft{Until: new("2025-05-16")}, ""},
		{"for so many times that it is over", recurrence.Draft{Count: new(3)}, ""},
		{"without an end again", recurrence.Draft{Count: new(0)}, "2025-05-21"},
	} {
		if changed := l.change(rule.ID, test.draft); changed.Next.String() != test.next {
			t.Errorf("%s: next occurrence = %q, want %q", test.name, changed.Next, test.next)
		}
	}
}

func TestChange_LosesNoOccurrence(t *testing.T) {
	for _, test := range []struct {
		name  string
		rule  recurrence.Draft
		edits []recurrence.Draft
		next  string
	}{
		{"an interval put right at once", daily("1", "2025-03-08"),
			[]recurrence.Draft{{Interval: new(100)}, {Interval: new(1)}}, "2025-03-11"},
		{"an earlier start", daily("1", "2025-06-01"), []recurrence.Draft{{Start: new("2025-03-20")}}, "2025-03-20"},
		{"a later start taken back", daily("1", "2025-04-01"),
			[]recurrence.Draft{{Start: new("2026-04-01")}, {Start: new("2025-04-01")}}, "2025-04-01"},
		{"yearly becomes daily", recurrence.Draft{Amount: new("1"), Freq: new("yearly"), Start: new("2025-03-01")},
			[]recurrence.Draft{{Freq: new("daily")}}, "2025-03-10"},
		{"an end taken back", daily("1", "2025-03-10"), []recurrence.Draft{{Until: new("2025-03-10")}, {Until: new("")}},
			"2025-03-11"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t, "2025-03-10")
			rule := l.add(test.rule)
			l.post()
			for _, edit := range test.edits {
				rule = l.change(rule.ID, edit)
			}
			if rule.Next.String() != test.next {
				t.Errorf("next occurrence = %s, want %s", rule.Next, test.next)
			}
		})
	}
}

func TestSkip_OfFutureOccurrenceLosesNoOther(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	rule := l.add(monthly("1", "2025-04-15"))
	if _, err := l.trySkip(rule.ID, "2025-04-15"); err != nil {
		t.Fatal(err)
	}
	l.change(rule.ID, recurrence.Draft{Freq: new("daily"), Start: new("2025-04-13")})
	if got, want := l.preview(rule.ID, 3), "2025-04-13 2025-04-14 2025-04-16"; got != want {
		t.Errorf("preview = %s, want %s", got, want)
	}
}

func TestChange_PauseKeepsDueOccurrences(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	draft := daily("7", "2025-03-08")
	draft.Category = new("Travel")
	rule := l.add(draft)
	l.archive("Travel", true)
	for range 8 {
		l.post()
		l.env.Now = l.read(rule.ID).RetryAt
	}
	l.post()
	l.archive("Travel", false)
	l.env.Now = l.env.Now.Add(time.Minute) // before the retry time
	l.change(rule.ID, recurrence.Draft{Paused: new(true)})
	l.at("2025-03-12")
	l.change(rule.ID, recurrence.Draft{Paused: new(false)})
	l.post()
	l.wantPosted(rule.ID, "2025-03-08 7.00, 2025-03-12 7.00")
}

func TestChange_PostsAtMostOneBatch(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	changes := map[string]func(ctx context.Context, tx store.Tx, id uuid.UUID) error{
		"change": func(ctx context.Context, tx store.Tx, id uuid.UUID) error {
			_, err := recurrence.Change(ctx, tx, l.env, id, recurrence.Draft{Amount: new("2")}, expense.Precondition{})
			return err
		},
		"split": func(ctx context.Context, tx store.Tx, id uuid.UUID) error {
			_, err := recurrence.Split(ctx, tx, l.env, id, "2025-03-01", recurrence.Draft{Paused: new(true)},
				expense.Precondition{})
			return err
		},
		"delete": func(ctx context.Context, tx store.Tx, id uuid.UUID) error {
			return recurrence.Delete(ctx, tx, l.env, id, expense.Precondition{})
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			l.t = t
			do := func(id uuid.UUID) error {
				return l.update(func(ctx context.Context, tx store.Tx) error { return change(ctx, tx, id) })
			}
			batch := l.add(daily("1", date("2025-03-10").AddDays(1-recurrence.MaxBatch).String()))
			if err := do(batch.ID); err != nil || len(l.expenses(batch.ID)) != recurrence.MaxBatch {
				t.Errorf("with one batch due: %v, %d posted", err, len(l.expenses(batch.ID)))
			}
			more := l.add(daily("1", date("2025-03-10").AddDays(-2*recurrence.MaxBatch).String()))
			behind, ok := errors.AsType[*recurrence.BacklogError](do(more.ID))
			if !ok || behind.RuleID != more.ID || behind.Version != more.Version || len(l.expenses(more.ID)) != 0 {
				t.Fatalf("with two batches and one occurrence due: %+v, %d posted", behind, len(l.expenses(more.ID)))
			}
			version, err := jobs.CatchUp(t.Context(), l.store, owner, l.env, behind)
			if err != nil || version != more.Version+3 || len(l.expenses(more.ID)) != 2*recurrence.MaxBatch+1 {
				t.Errorf("CatchUp: version %d, before %d, %v, %d posted", version, more.Version, err, len(l.expenses(more.ID)))
			}
			if err := do(more.ID); err != nil {
				t.Errorf("change after CatchUp: %v", err)
			}
		})
	}
	l.t = t
	// A rule that cannot be posted can be changed, although many occurrences are due.
	bad := daily("1", "2023-01-01")
	bad.Category = new("Travel")
	failing := l.add(bad)
	l.archive("Travel", true)
	failed := func(ctx context.Context, tx store.Tx) error { return changes["change"](ctx, tx, failing.ID) }
	behind, ok := errors.AsType[*recurrence.BacklogError](l.update(failed))
	if !ok {
		t.Fatal("change with 800 due occurrences that were never attempted: want a BacklogError")
	}
	if _, err := jobs.CatchUp(t.Context(), l.store, owner, l.env, behind); err != nil ||
		l.read(failing.ID).LastError == "" {
		t.Errorf("CatchUp of a failing rule: %v, %+v", err, l.read(failing.ID))
	}
	if err := l.update(failed); err != nil || l.read(failing.ID).Next != date("2023-01-01") {
		t.Errorf("change of a failing rule: %v, %+v", err, l.read(failing.ID))
	}
	behind.RuleID = uuid.New()
	if version, err := jobs.CatchUp(t.Context(), l.store, owner, l.env, behind); err != nil || version != 0 {
		t.Errorf("CatchUp of a deleted rule: %d, %v", version, err)
	}
}

func TestSplit(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	rent := l.add(monthly("800", "2025-01-31"))
	l.post()
	if _, err := l.trySkip(rent.ID, "2025-06-30"); err != nil {
		t.Fatal(err)
	}
	fresh, err := l.trySplit(rent.ID, "2025-04-01", recurrence.Draft{Amount: new("900")})
	if err != nil {
		t.Fatal(err)
	}
	if fresh.ID == rent.ID || fresh.Start != rent.Start || fresh.Next != date("2025-04-30") ||
		!fresh.CreatedAt.Equal(l.env.Now) {
		t.Errorf("new rule = %+v", fresh)
	}
	if old := l.read(rent.ID); old.Until != date("2025-03-31") || old.Next != date("2025-03-31") ||
		old.Version != fresh.Version {
		t.Errorf("old rule = %+v", old)
	}
	l.at("2025-08-01")
	l.post()
	l.wantPosted(rent.ID, "2025-01-31 800.00, 2025-02-28 800.00, 2025-03-31 800.00")
	l.wantPosted(fresh.ID, "2025-04-30 900.00, 2025-05-31 900.00, 2025-07-31 900.00")
	for _, test := range []struct {
		name, from string
		want       string
	}{
		{"before the first", "2025-01-31", "from_date out_of_range"},
		{"after the end", "2025-04-01", "from_date no_occurrence"},
		{"no date", "soon", "from_date malformed_date"}, {"nothing", "", "from_date required"},
	} {
		if _, err := l.trySplit(rent.ID, test.from, recurrence.Draft{}); fieldErrors(err) != test.want {
			t.Errorf("%s: %s, want %s", test.name, fieldErrors(err), test.want)
		}
	}
}

func TestSplit_OntoOtherDays(t *testing.T) {
	for _, test := range []struct {
		name        string
		rule, draft recurrence.Draft
		from        string
		preview     string
	}{
		{"the same days, another amount: the count goes on", withCount(monthly("1", "2025-01-31"), 4),
			recurrence.Draft{Amount: new("2")},
			"2025-03-01", "2025-03-31 2025-04-30"},
		{"another interval: what is left of the count", withCount(monthly("1", "2025-01-31"), 4),
			recurrence.Draft{Interval: new(2)},
			"2025-03-01", "2025-03-31 2025-05-31"},
		{"another count, from here", withCount(monthly("1", "2025-01-31"), 4), recurrence.Draft{Count: new(3)},
			"2025-04-01", "2025-04-30 2025-05-31 2025-06-30"},
		{"weekly", monthly("1", "2025-01-31"), recurrence.Draft{Freq: new("weekly"), Count: new(2)}, "2025-03-04",
			"2025-03-04 2025-03-11"},
		{"an end instead of a count", withCount(monthly("1", "2025-01-31"), 9), recurrence.Draft{Until: new("2025-04-01")},
			"2025-03-01", "2025-03-31"},
		{"from a start of its own", monthly("1", "2025-01-31"),
			recurrence.Draft{Start: new("2025-05-05"), Until: new("2025-06-30")},
			"2025-03-01", "2025-05-05 2025-06-05"},
		{"every other day stays in step", withInterval(daily("1", "2025-01-01"), 2),
			recurrence.Draft{Until: new("2025-02-08")},
			"2025-02-03", "2025-02-04 2025-02-06 2025-02-08"},
		{"daily fills the days before the old next one", monthly("1", "2025-01-15"),
			recurrence.Draft{Freq: new("daily"), Count: new(2)},
			"2025-03-01", "2025-03-01 2025-03-02"},
		{"an earlier day of the month", monthly("1", "2025-01-15"), recurrence.Draft{MonthDay: new("5"), Count: new(2)},
			"2025-03-01", "2025-03-05 2025-04-05"},
		{"the first of the month", monthly("1", "2025-01-15"), recurrence.Draft{MonthDay: new("1"), Count: new(2)},
			"2025-03-10", "2025-04-01 2025-05-01"},
		{"the 31st", monthly("1", "2025-01-15"), recurrence.Draft{MonthDay: new("31"), Count: new(2)}, "2025-03-01",
			"2025-03-31 2025-04-30"},
		{"every other year keeps its day", yearly("2020-05-01"), recurrence.Draft{Interval: new(2), Until: new("2030-01-01")},
			"2027-01-10", "2027-05-01 2029-05-01"},
		{"a count of years keeps their day", yearly("2020-05-01"), recurrence.Draft{Count: new(2)}, "2027-01-10",
			"2027-05-01 2028-05-01"},
		{"29 February stays when it is skipped", yearly("2020-02-29"),
			recurrence.Draft{OnMissing: new("skip"), Until: new("2033-01-01")},
			"2027-01-10", "2028-02-29 2032-02-29"},
		{"29 February stays for so many times", yearly("2020-02-29"), recurrence.Draft{Count: new(2)}, "2027-01-10",
			"2027-02-28 2028-02-29"},
		{"a week's day stays", recurrence.Draft{Amount: new("1"), Freq: new("weekly"), Start: new("2025-01-06")},
			recurrence.Draft{Count: new(2)},
			"2026-12-02", "2026-12-07 2026-12-14"},
		{"the same days as an RRULE", monthly("1", "2025-01-31"),
			recurrence.Draft{RRULE: new("RSCALE=GREGORIAN;FREQ=MONTHLY;INTERVAL=2;SKIP=BACKWARD;COUNT=3")},
			"2025-04-01", "2025-04-30 2025-06-30 2025-08-31"},
		{"another day of the month as an RRULE", monthly("1", "2025-01-15"),
			recurrence.Draft{RRULE: new("FREQ=MONTHLY;BYMONTHDAY=5;COUNT=2")},
			"2025-03-01", "2025-03-05 2025-04-05"},
		{"an occurrence on the day itself", recurrence.Draft{Amount: new("1"), Freq: new("weekly"), Start: new("2025-01-06")},
			recurrence.Draft{Interval: new(2), Count: new(2)}, "2026-12-07", "2026-12-07 2026-12-21"},
		{"28 February stands for the 29th on the day itself", yearly("2020-02-29"), recurrence.Draft{Count: new(2)},
			"2027-02-28", "2027-02-28 2028-02-29"},
		{"a clamped month that was skipped",
			recurrence.Draft{Amount: new("1"), Freq: new("monthly"), Start: new("2025-01-31"), OnMissing: new("skip")},
			recurrence.Draft{OnMissing: new("clamp"), Count: new(2)}, "2025-02-01", "2025-02-28 2025-03-31"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t, "2024-12-01")
			fresh, err := l.trySplit(l.add(test.rule).ID, test.from, test.draft)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.preview(fresh.ID, 20); got != test.preview {
				t.Errorf("preview of the new rule = %s, want %s", got, test.preview)
			}
		})
	}
}

func yearly(start string) recurrence.Draft {
	return recurrence.Draft{Amount: new("1"), Freq: new("yearly"), Start: &start}
}

func TestSplit_KeepsOccurrencesThatDeviceAddedInAdvance(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	rule := l.add(daily("5", "2025-03-08"))
	l.post()
	for _, day := range []string{"2025-03-12", "2025-03-13"} {
		if err := l.update(func(ctx context.Context, tx store.Tx) error {
			_, err := expense.Add(ctx, tx, l.env, expense.Draft{
				ID: expense.OccurrenceID(rule.ID, date(day)).String(), Amount: "5", Date: day, RuleID: rule.ID.String(),
				Occurrence: day,
			})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.update(func(ctx context.Context, tx store.Tx) error {
		return expense.Delete(ctx, tx, expense.OccurrenceID(rule.ID, date("2025-03-13")), expense.Precondition{})
	}); err != nil {
		t.Fatal(err)
	}
	fresh, err := l.trySplit(rule.ID, "2025-03-12", recurrence.Draft{Amount: new("8")})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.preview(fresh.ID, 2), "2025-03-14 2025-03-15"; got != want {
		t.Errorf("preview of the new rule = %s, want %s", got, want)
	}
	l.at("2025-03-14")
	l.post()
	l.wantPosted(rule.ID, "2025-03-08 5.00, 2025-03-09 5.00, 2025-03-10 5.00, 2025-03-11 5.00, 2025-03-12 5.00")
	l.wantPosted(fresh.ID, "2025-03-14 8.00")
}

func withCount(draft recurrence.Draft, count int) recurrence.Draft {
	draft.Count = &count
	return draft
}

func withInterval(draft recurrence.Draft, n int) recurrence.Draft {
	draft.Interval = &n
	return draft
}

func TestSplit_AfterPosting(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	rule := l.add(daily("5", "2025-03-08"))
	l.post()
	fresh, err := l.trySplit(rule.ID, "2025-03-09", recurrence.Draft{Amount: new("6")})
	if err != nil {
		t.Fatal(err)
	}
	l.at("2025-03-12")
	l.post()
	l.wantPosted(rule.ID, "2025-03-08 5.00, 2025-03-09 5.00, 2025-03-10 5.00")
	l.wantPosted(fresh.ID, "2025-03-11 6.00, 2025-03-12 6.00")
}

func TestSplit_BeforePosting(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	rule := l.add(daily("5", "2025-03-06"))
	fresh, err := l.trySplit(rule.ID, "2025-03-08", recurrence.Draft{Amount: new("6")})
	if err != nil {
		t.Fatal(err)
	}
	l.post()
	l.wantPosted(rule.ID, "2025-03-06 5.00, 2025-03-07 5.00")
	l.wantPosted(fresh.ID, "2025-03-08 6.00, 2025-03-09 6.00, 2025-03-10 6.00")
}

// A client may send all fields of a rule with a new amount, even if its category was archived since.
func TestChange_KeepsArchivedCategory(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	draft := daily("5", "2025-03-11")
	draft.Category = new("Travel")
	rule := l.add(draft)
	l.archive("Travel", true)
	for name, category := range map[string]*string{"not named": nil, "named by its id": new(rule.CategoryID.String())} {
		changed := l.change(rule.ID, recurrence.Draft{Amount: new(fmt.Sprint(len(name))), CategoryID: category})
		if changed.CategoryID != rule.CategoryID || changed.Amount.Amount() != fmt.Sprintf("%d.00", len(name)) {
			t.Errorf("%s: rule = %+v", name, changed)
		}
	}
}

func TestAdd_ReportsAllInvalidFields(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	l.archive("Travel", true)
	good := monthly("1", "2025-01-31")
	with := func(change func(*recurrence.Draft)) recurrence.Draft {
		draft := good
		change(&draft)
		return draft
	}
	for _, test := range []struct {
		name  string
		draft recurrence.Draft
		want  string
	}{
		{"nothing", recurrence.Draft{}, "amount required, freq required, start_date required"},
		{"all at once", recurrence.Draft{
			ID: new("x"), Amount: new("1.234"), Category: new("Nonsense"), Notes: new("\a"), Freq: new("hourly"),
			Interval: new(0),
			Weekdays: []string{"monday"}, MonthDay: new("32"), OnMissing: new("guess"), Start: new("2025-02-30"),
			Until: new("x"), Count: new(-1),
		}, "id malformed_id, amount too_many_digits, category unknown_category, notes control_character, start_date " +
			"impossible_date, " +
			"freq unknown_value, weekdays/0 unknown_value, month_day out_of_range, on_missing unknown_value, until_date " +
			"malformed_date, " +
			"interval out_of_range, count out_of_range"},
		{"a month day of 0", with(func(d *recurrence.Draft) { d.MonthDay = new("0") }), "month_day out_of_range"},
		{"a month day of 32", with(func(d *recurrence.Draft) { d.MonthDay = new("32") }), "month_day out_of_range"},
		{"an interval of 0", with(func(d *recurrence.Draft) { d.Interval = new(0) }), "interval out_of_range"},
		{"an interval of 10^9", with(func(d *recurrence.Draft) { d.Interval = new(1_000_000_000) }), "interval out_of_range"},
		{"until before start", with(func(d *recurrence.Draft) { d.Until = new("2025-01-30") }), "until_date out_of_range"},
		{"until and count", with(func(d *recurrence.Draft) { d.Until, d.Count = new("2026-01-30"), new(3) }),
			"count ambiguous"},
		{"a weekday of a month", with(func(d *recurrence.Draft) { d.Weekdays = []string{"mon"} }), "weekdays not_applicable"},
		{"an RRULE beside a frequency", with(func(d *recurrence.Draft) { d.RRULE = new("FREQ=DAILY") }), "rrule ambiguous"},
		{"an RRULE beside other faults",
			with(func(d *recurrence.Draft) { d.RRULE, d.Interval, d.Until = new("FREQ=DAILY;X=1"), new(0), new("x") }),
			"rrule unsupported, rrule ambiguous, until_date malformed_date, interval out_of_range"},
		{"an RRULE without a frequency beside other faults",
			with(func(d *recurrence.Draft) {
				d.Freq, d.RRULE, d.Until, d.Weekdays = nil, new("FREQ=HOURLY"), new("x"), []string{"mon", "x", "y"}
			}),
			"rrule unsupported, rrule ambiguous, weekdays/1 unknown_value, weekdays/2 unknown_value, " +
				"until_date malformed_date"},
		{"an end that is no date, and a count",
			with(func(d *recurrence.Draft) { d.Until, d.Count = new("nonsense"), new(2) }),
			"until_date malformed_date, count ambiguous"},
		{"an RRULE of the subset's outside",
			with(func(d *recurrence.Draft) { d.Freq, d.RRULE = nil, new("FREQ=HOURLY;BYSETPOS=1") }), ""},
		{"an archived category", with(func(d *recurrence.Draft) { d.Category = new("Travel") }),
			"category archived_category"},
		{"an unknown currency", with(func(d *recurrence.Draft) { d.Currency = new("XXZ") }), "currency unknown_currency"},
		{"an unknown currency and no amount of money",
			with(func(d *recurrence.Draft) { d.Amount, d.Currency = new("0"), new("XXZ") }),
			"currency unknown_currency, amount zero"},
		{"4,001 occurrences due at once", daily("1", date("2025-03-10").AddDays(-4000).String()), "start_date too_many_due"},
	} {
		_, err := l.tryAdd(test.draft)
		if !errors.Is(err, expense.ErrInvalid) || test.want != "" && fieldErrors(err) != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, fieldErrors(err), test.want)
		}
	}
	if _, err := l.tryAdd(daily("1", date("2025-03-10").AddDays(-3999).String())); err != nil {
		t.Errorf("rule with 4,000 due occurrences: %v", err)
	}
	if result := l.post(); result.Posted != 4000 {
		t.Errorf("PostDue with 4,000 due occurrences = %+v", result)
	}
}

func TestAdd_RepeatedID(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	draft := monthly("1.5", "2025-01-31")
	draft.ID, draft.Category, draft.Notes = new("0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70"), new("Travel"), new("a note")
	first, err := l.tryAdd(draft)
	if err != nil || !first.Created {
		t.Fatalf("Add = %+v, %v", first, err)
	}
	l.post()
	again, err := l.tryAdd(draft)
	if err != nil || again.Created || again.Rule.Version != first.Rule.Version+1 { // posting changed Next
		t.Errorf("second Add = %+v, %v", again, err)
	}
	draft.Notes = new("another")
	if _, err := l.tryAdd(draft); !errors.Is(err, expense.ErrExists) {
		t.Errorf("Add of other content with the same id: %v", err)
	}
	remove := func() error {
		return l.update(func(ctx context.Context, tx store.Tx) error {
			return recurrence.Delete(ctx, tx, l.env, first.Rule.ID, expense.Precondition{})
		})
	}
	if err := errors.Join(remove(), remove()); err != nil {
		t.Errorf("second Delete: %v", err)
	}
	if _, err := l.tryAdd(draft); !errors.Is(err, expense.ErrGone) {
		t.Errorf("Add after Delete: %v", err)
	}
	if got := len(l.expenses(first.Rule.ID)); got != 2 {
		t.Errorf("a deleted rule has %d expenses, want the 2 posted ones", got)
	}
}

func TestDelete_PostsDueOccurrencesFirst(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	rule := l.add(daily("5", "2025-03-09"))
	if err := l.update(func(ctx context.Context, tx store.Tx) error {
		return recurrence.Delete(ctx, tx, l.env, rule.ID, expense.Precondition{})
	}); err != nil {
		t.Fatal(err)
	}
	l.wantPosted(rule.ID, "2025-03-09 5.00, 2025-03-10 5.00")
}

func TestPost_RepairedCategoryMakesRulesDue(t *testing.T) {
	for _, repair := range []string{"unarchived", "merged", "patched with what is there"} {
		t.Run(repair, func(t *testing.T) {
			l := newLedger(t, "2025-03-08")
			draft := daily("7", "2025-03-08")
			draft.Category = new("Travel")
			rule := l.add(draft)
			l.archive("Travel", true)
			l.post()
			failed := l.read(rule.ID)
			switch repair {
			case "unarchived":
				l.archive("Travel", false)
			case "merged":
				if err := l.update(func(ctx context.Context, tx store.Tx) error {
					into, err := tx.CategoryByName(ctx, "Food")
					if err == nil {
						_, err = expense.MergeCategories(ctx, tx, l.env, rule.CategoryID, into.ID)
					}
					return err
				}); err != nil {
					t.Fatal(err)
				}
			default:
				l.change(rule.ID, recurrence.Draft{Amount: new("7")})
			}
			repaired := l.read(rule.ID)
			if failed.LastError == "" || repaired.LastError != "" || repaired.Failures != 0 || !repaired.RetryAt.IsZero() ||
				repaired.Version == failed.Version || repaired.Guard != failed.Guard {
				t.Errorf("failed rule = %+v, rule after the category change = %+v", failed, repaired)
			}
			if repair != "patched with what is there" {
				l.post()
				l.wantPosted(rule.ID, "2025-03-08 7.00")
			}
		})
	}
}

func TestAdd_RejectsTooManyRules(t *testing.T) {
	l := newLedger(t, "2025-03-08")
	first := l.add(daily("1", "2025-06-01"))
	if err := l.update(func(ctx context.Context, tx store.Tx) error {
		for range recurrence.MaxRules - 1 {
			more := first
			more.ID, more.Version = uuid.New(), 0
			if _, err := tx.PutRules(ctx, more); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.tryAdd(daily("1", "2025-06-01")); fieldErrors(err) != " too_many" {
		t.Errorf("Add above the limit: %v", err)
	}
	if _, err := l.trySplit(first.ID, "2025-07-01", recurrence.Draft{}); fieldErrors(err) != " too_many" {
		t.Errorf("Split above the limit: %v", err)
	}
}

func TestChange_RejectsStaleVersions(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	rule := l.add(monthly("1", "2025-06-30"))
	old := expense.Precondition{Versions: []expense.Version{rule.Version - 1}}
	for name, fn := range map[string]func(context.Context, store.Tx) error{
		"change": func(ctx context.Context, tx store.Tx) error {
			_, err := recurrence.Change(ctx, tx, l.env, rule.ID, recurrence.Draft{Notes: new("x")}, old)
			return err
		},
		"split": func(ctx context.Context, tx store.Tx) error {
			_, err := recurrence.Split(ctx, tx, l.env, rule.ID, "2025-08-01", recurrence.Draft{}, old)
			return err
		},
		"skip": func(ctx context.Context, tx store.Tx) error {
			_, err := recurrence.SkipOccurrence(ctx, tx, l.env, rule.ID, "2025-06-30", old)
			return err
		},
		"delete": func(ctx context.Context, tx store.Tx) error { return recurrence.Delete(ctx, tx, l.env, rule.ID, old) },
	} {
		if err := l.update(fn); !errors.Is(err, expense.ErrStale) {
			t.Errorf("%s with a stale version: %v", name, err)
		}
	}
}

func TestPlanned_ListsFutureOccurrences(t *testing.T) {
	l := newLedger(t, "2025-03-10")
	rent, food := l.add(monthly("800", "2025-01-31")), l.add(withInterval(daily("5", "2025-03-01"), 10))
	l.post()
	paused := daily("1", "2025-03-01")
	paused.Paused = new(true)
	l.add(paused)
	rules, err := l.store.Reader(owner).Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	// An occurrence that a device added in advance is not planned.
	if err := l.update(func(ctx context.Context, tx store.Tx) error {
		_, err := expense.Add(ctx, tx, l.env, expense.Draft{
			ID: expense.OccurrenceID(food.ID, date("2025-03-21")).String(), Amount: "5", Date: "2025-03-21",
			RuleID:     food.ID.String(),
			Occurrence: "2025-03-21",
		})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	days := expense.Range{From: date("2025-03-01"), To: date("2025-04-01")}
	planned, err := recurrence.Plan(t.Context(), l.store.Reader(owner), rules, days)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range planned {
		if p.Rule.ID != rent.ID && p.Rule.ID != food.ID {
			t.Errorf("the plan contains rule %s, which has no planned occurrence", p.Rule.ID)
		}
		got = append(got, p.Date.String()+" "+p.Rule.Amount.String())
	}
	if got, want := strings.Join(got,
		", "), "2025-03-11 5.00 EUR, 2025-03-31 800.00 EUR, 2025-03-31 5.00 EUR"; got != want {
		t.Errorf("planned occurrences = %s, want %s", got, want)
	}
}

func TestDateSet(t *testing.T) {
	set := recurrence.NewDateSet(date("2025-03-02"), expense.Date{}, date("2025-03-01"), date("2025-03-02"))
	read, err := recurrence.ParseDateSet(set.String())
	if err != nil || read != set || set.Len() != 2 || set.String() != "2025-03-01,2025-03-02" {
		t.Errorf("set = %v, parsed again = %v, %v", set, read, err)
	}
	if set.Contains(expense.Date{}) || !set.Contains(date("2025-03-02")) || set.Contains(date("2025-03-03")) {
		t.Error("Contains is wrong for a date of the set")
	}
	if got := set.With(date("2025-02-01")).NotBefore(date("2025-03-01")); got != set {
		t.Errorf("dates from March = %v", got)
	}
	if got := set.NotBefore(date("2026-01-01")); got != (recurrence.DateSet{}) || got.Len() != 0 {
		t.Errorf("dates from 2026 = %v", got)
	}
	if _, err := recurrence.ParseDateSet("2025-03-01,"); !errors.Is(err, expense.ErrInvalid) {
		t.Errorf("list with a trailing comma: %v", err)
	}
}
