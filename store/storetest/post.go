package storetest

import (
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// postChecks hold the store to what the poster of recurring expenses rests on.
func postChecks() []check {
	return []check{
		{name: "post-whole", guards: []string{sayUpdate, sayUndo, sayRules}, run: checkPostWhole},
		{name: "post-once", guards: []string{sayKnown, sayNew, sayPurgeKeeps}, alone: true, run: checkPostOnce},
		{name: "post-at-once", guards: []string{sayUpdate, sayDueOwners, saySafe}, alone: true, run: checkPostAtOnce},
	}
}

// daily returns a rule that has an occurrence on each of so many days.
func (b *book) daily(start string, days int) recurrence.Rule {
	rule := b.rule()
	rule.Freq, rule.Start = recurrence.Daily, expense.MustDate(start)
	rule.Next, rule.Until = rule.Start, rule.Start.AddDays(days-1)
	return rule
}

// posted notes occurrences of a rule that are not there once each, and those of others.
func (b *book) posted(rule recurrence.Rule, want int, doing string) {
	times := make(map[expense.Date]int)
	query := expense.Query{Filter: expense.Filter{RuleID: rule.ID}}
	for _, e := range all(b.probe, b.reader.Expenses(b.ctx, query), "Expenses of a rule") {
		times[e.Occurrence]++
	}
	for date, n := range times {
		same(b.probe, n, 1, "how often %s was posted, %s", date, doing)
	}
	same(b.probe, len(times), want, "how many occurrences were posted, %s", doing)
}

func (b *book) post(tx store.Tx, now time.Time) error {
	_, err := recurrence.Post(b.ctx, tx, expense.Env{Now: now})
	return err
}

func checkPostWhole(p *probe) {
	b := p.book("a")
	rule := b.putRule(b.daily("2025-01-01", 3))
	before := p.dump(b.reader)
	err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
		if err := b.post(tx, epoch); err != nil {
			return err
		}
		return errOnPurpose
	})
	p.fails(err, errOnPurpose, "Update")
	p.unchanged(before, p.dump(b.reader), "an Update that posted, and failed")
	b.update(func(tx store.Tx) error { return b.post(tx, epoch) })
	b.posted(rule, 3, "by an Update that went well")
	read, err := b.reader.Rule(p.ctx, rule.ID)
	p.must(err, "Rule")
	same(p, read.Next, expense.Date{}, "the cursor of a rule all of whose occurrences are posted")
	e, err := b.reader.Expense(p.ctx, expense.OccurrenceID(rule.ID, rule.Start))
	p.must(err, "Expense")
	same(p, e.Version, read.Version, "the version of what was posted, beside its rule's")
}

func checkPostOnce(p *probe) {
	b := p.book("a")
	rule := b.putRule(b.daily("2025-01-01", 4))
	b.update(func(tx store.Tx) error { return b.post(tx, epoch) })
	deleted := expense.OccurrenceID(rule.ID, rule.Start.AddDays(2))
	b.update(func(tx store.Tx) error { _, err := tx.DeleteExpenses(p.ctx, deleted); return err })
	p.must(p.st.Purge(p.ctx, time.Time{}, time.Now().Add(time.Hour)), "Purge")
	// No use case moves a cursor back. If something else did, such as a restored backup, what is known is still not posted again.
	b.update(func(tx store.Tx) error {
		back, err := tx.Rule(p.ctx, rule.ID)
		if err != nil {
			return err
		}
		back.Next = back.Start
		_, err = tx.PutRules(p.ctx, back)
		return err
	})
	b.update(func(tx store.Tx) error { return b.post(tx, epoch) })
	b.posted(rule, 3, "after one was deleted and the cursor was set back")
	_, err := b.reader.Expense(p.ctx, deleted)
	p.fails(err, expense.ErrGone, "a posted expense that was deleted")
	list := all(p, b.reader.Expenses(p.ctx, expense.Query{}), "Expenses")
	same(p, len(list), 3, "how many expenses there are")
}

func checkPostAtOnce(p *probe) {
	const owners, days, instances = 5, 20, 4
	books := make([]*book, owners)
	rules := make([]recurrence.Rule, owners)
	for i := range books {
		books[i] = p.book(string(rune('a' + i)))
		rules[i] = books[i].putRule(books[i].daily("2025-01-01", days))
	}
	p.together(instances, func(int) {
		for due, err := range p.st.DueOwners(p.ctx, epoch) {
			if err == nil {
				err = p.st.Update(p.ctx, due.Owner, func(tx store.Tx) error {
					_, err := recurrence.Post(p.ctx, tx, expense.Env{Now: epoch})
					return err
				})
			}
			if err != nil {
				p.note("post what is due: %v", err)
			}
		}
	})
	for i, b := range books {
		b.posted(rules[i], days, "by several instances at once")
		read, err := b.reader.Rule(p.ctx, rules[i].ID)
		p.must(err, "Rule")
		same(p, read.Version, b.version+1, "the version of a rule that one Update could post")
	}
	sameList(p, p.due(epoch), nil, "who is due after everything was posted")
}
