package storetest

import (
	"context"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// putDailyRule writes a rule with one occurrence on each of a number of days from 2025-01-01 on.
func (l *ledger) putDailyRule(days int) recurrence.Rule {
	rule := l.newRule()
	rule.Freq, rule.Start = recurrence.Daily, date("2025-01-01")
	rule.Next, rule.Until = rule.Start, rule.Start.AddDays(days-1)
	return l.putRule(rule)
}

// wantPosted checks the number of a rule's expenses. Each occurrence must have at most one.
func (l *ledger) wantPosted(rule recurrence.Rule, want int, subject string) {
	posted := make(map[expense.Date]int)
	for _, e := range l.expenses(l.reader, expense.Query{Filter: expense.Filter{RuleID: rule.ID}}) {
		posted[e.Occurrence]++
	}
	for day, n := range posted {
		equal(l.checkT, n, 1, "the number of expenses of the occurrence %s, %s", day, subject)
	}
	equal(l.checkT, len(posted), want, "the number of posted occurrences, %s", subject)
}

// callPost returns a call that posts what is due at epoch.
func callPost() txCall {
	return txCall{"Post", func(ctx context.Context, tx store.Tx) (expense.Version, error) {
		_, err := recurrence.Post(ctx, tx, expense.Env{Now: epoch})
		return 0, err
	}}
}

func checkPostAtomic(t *checkT) {
	l := t.ledger("a")
	rule := l.putDailyRule(3)
	before := t.dump(l.reader)
	l.rollBack(callPost())
	t.wantUnchanged(before, l.reader, "an Update that posted and failed")
	t.noError(l.tryWrite(callPost()), "an Update that posts")
	l.wantPosted(rule, 3, "in one Update")
	posted := getBy(t, l.reader.Rule, rule.ID)
	equal(t, posted.Next, expense.Date{}, "the Next of a rule whose occurrences are all posted")
	e := getBy(t, l.reader.Expense, expense.OccurrenceID(rule.ID, rule.Start))
	equal(t, e.Version, posted.Version, "the version of a posted expense, compared with its rule's")
}

func checkPostOnce(t *checkT) {
	l := t.ledger("a")
	rule := l.putDailyRule(4)
	t.noError(l.tryWrite(callPost()), "an Update that posts")
	deleted := expense.OccurrenceID(rule.ID, rule.Start.AddDays(2))
	t.noError(l.tryWrite(call(store.Tx.DeleteExpenses, deleted)), "DeleteExpenses of a posted expense")
	t.purgeTombstones()
	// No use case moves Next back, but a restored backup may contain an older rule.
	back := getBy(t, l.reader.Rule, rule.ID)
	back.Next = back.Start
	t.noError(l.tryWrite(call(store.Tx.PutRules, back)), "PutRules")
	t.noError(l.tryWrite(callPost()), "an Update that posts again")
	l.wantPosted(rule, 3, "after one was deleted and the rule's Next was moved back")
	wantErrorBy(t, l.reader.Expense, deleted, expense.ErrGone, "a posted expense that was deleted")
	equal(t, len(t.expenses(l.reader, expense.Query{})), 3, "the number of Expenses")
}

func checkPostConcurrently(t *checkT) {
	const owners, days, instances = 5, 20, 4
	ledgers := make([]*ledger, owners)
	rules := make([]recurrence.Rule, owners)
	for i := range ledgers {
		ledgers[i] = t.ledger(string(rune('a' + i)))
		rules[i] = ledgers[i].putDailyRule(days)
	}
	t.concurrently(instances, func(int) {
		for due, err := range t.st.DueOwners(t.ctx, epoch) {
			if err == nil {
				err = t.st.Update(t.ctx, due.Owner, func(tx store.Tx) error { return t.runCalls(tx, callPost()) })
			}
			if err != nil {
				t.errorf("concurrent posting: %v", err)
			}
		}
	})
	for i, l := range ledgers {
		l.wantPosted(rules[i], days, "by concurrent instances")
		equal(t, getBy(t, l.reader.Rule, rules[i].ID).Version, l.version+1,
			"the version of a rule that one Update could post")
	}
	equalLists(t, t.dueOwners(epoch), nil, "DueOwners after all occurrences were posted")
}
