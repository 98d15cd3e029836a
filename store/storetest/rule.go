package storetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

const (
	sayRule = "recurrence.Reader.Rule: Rule returns one rule; ErrNotFound if there never was such a one, ErrGone if it " +
		"was deleted."
	sayRules      = "recurrence.Reader.Rules: Rules returns all rules, ordered by id, byte by byte."
	sayDeleteRule = "recurrence.Tx.DeleteRule: DeleteRule leaves a tombstone; expenses that the rule posted stay and keep " +
		"its id."
	sayDueOwners = "store.Store.DueOwners: DueOwners yields whose rules are due at now, by [recurrence.Rule.DueAt] in the " +
		"zone of their ledger, and since when: the oldest first, then in the order of their ids; an owner whose rules fell due " +
		"at several instants comes once for each, with the earliest RetryAt of the rules due since then."
)

func ruleChecks() []check {
	return append(postChecks(), []check{
		{name: "rule-values", guards: []string{sayRule, sayRules, sayRuleDoomed}, run: checkRuleValues},
		{name: "rule-guard", guards: []string{sayRulesToo, sayRuleDoomed}, run: checkRuleGuard},
		{name: "rule-deletes", guards: []string{sayDeleteRule, sayRule}, run: checkRuleDeletes},
		{name: "owners-due", guards: []string{sayDueOwners, sayNoRowsOpen}, alone: true, run: checkDueOwners},
		{name: "owners-due-zones", guards: []string{sayDueOwners}, alone: true, run: checkDueZones},
		{name: "owners-due-many", guards: []string{sayDueOwners}, alone: true, run: checkManyDue},
	}...)
}

func checkRuleValues(p *probe) {
	b := p.book("a")
	plain, full, last := b.rule(), b.rule(), b.rule()
	full.Amount, full.CategoryID = expense.MustMoney("-123.456", "KWD"), b.rent
	full.Notes = strings.Join(oddTexts, "")
	full.Freq, full.Interval, full.Weekdays = recurrence.Weekly, 52, 0x7f
	full.Until, full.Next, full.Paused = expense.MustDate("2399-12-31"), expense.Date{}, true
	full.Skipped = recurrence.NewDateSet(expense.MustDate("2025-02-07"), expense.MustDate("2399-12-31"))
	full.SettledThrough = expense.MustDate("2025-01-30")
	full.LastError, full.Failures, full.RetryAt = strings.Join(oddTexts, ""), 7, epoch.Add(90*time.Minute)
	full.CreatedAt = time.Date(2025, time.May, 1, 2, 3, 4, 567891234, time.FixedZone("somewhere", 3*3600))
	last.MonthDay, last.OnMissing, last.Count = recurrence.LastDay, recurrence.SkipMonth, 1000
	last.Amount = minor(expense.MaxMinor, expense.MustCurrency("JPY")) // counts towards no total until it is posted
	last.Start, last.Next = expense.MustDate("1900-01-01"), expense.MustDate("1900-01-31")
	rules := []recurrence.Rule{plain, full, last}
	version := b.write("PutRules", func(tx store.Tx) (expense.Version, error) { return tx.PutRules(p.ctx, rules...) })
	for i := range rules {
		rules[i].Version, rules[i].Guard, rules[i].CreatedAt = version, version, expense.Timestamp(rules[i].CreatedAt)
	}
	compare := func() {
		for _, rule := range rules {
			read, err := b.reader.Rule(p.ctx, rule.ID)
			p.must(err, "Rule")
			same(p, read, rule, "a rule as it was written")
		}
		read, err := b.reader.Rules(p.ctx)
		p.must(err, "Rules")
		want := slices.SortedFunc(slices.Values(rules), func(x,
			y recurrence.Rule) int {
			return strings.Compare(x.ID.String(), y.ID.String())
		})
		sameList(p, read, want, "Rules")
	}
	compare()
	rules[0].Freq, rules[0].Interval, rules[0].Start, rules[0].Next = recurrence.Yearly, 4,
		expense.MustDate("2024-02-29"), expense.MustDate("2028-02-29")
	rules[0].Until, rules[0].CategoryID, rules[0].UpdatedAt = expense.MustDate("2050-01-01"), b.travel, epoch.Add(time.Hour)
	rules[0] = b.putRule(rules[0])
	compare()
	_, err := b.reader.Rule(p.ctx, b.id())
	notGone(p, err, "a rule that never was")
}

func checkRuleGuard(p *probe) {
	b := p.book("a")
	rule := b.putRule(b.rule())
	guard := func(doing string, moved bool, change func()) {
		want := rule.Guard
		change()
		rule.Guard = 4711
		rule.Version = b.write("PutRules", func(tx store.Tx) (expense.Version, error) { return tx.PutRules(p.ctx, rule) })
		if moved {
			want = rule.Version
		}
		read, err := b.reader.Rule(p.ctx, rule.ID)
		p.must(err, "Rule")
		same(p, read.Guard, want, "a rule's guard after %s", doing)
		rule = read
	}
	guard("other notes", false, func() { rule.Notes = "other" })
	guard("a pause", false, func() { rule.Paused = true })
	guard("a step of its cursor", false, func() { rule.Next = expense.MustDate("2025-02-28") })
	guard("a skip", false, func() { rule.Skipped = recurrence.NewDateSet(expense.MustDate("2025-03-31")) })
	guard("a day that is settled", false, func() { rule.SettledThrough = expense.MustDate("2025-02-27") })
	guard("a failure", false, func() { rule.LastError, rule.Failures, rule.RetryAt = "no", 1, epoch.Add(time.Hour) })
	guard("a change of nothing", false, func() {})
	guard("another amount", true, func() { rule.Amount = expense.MustMoney("10.99", "EUR") })
	guard("another category", true, func() { rule.CategoryID = b.rent })
	guard("another interval", true, func() { rule.Interval = 2 })
	guard("an end", true, func() { rule.Until = expense.MustDate("2026-01-01") })
	guard("another way with missing days", true, func() { rule.OnMissing = recurrence.SkipMonth })
	guard("notes and amount together", true, func() { rule.Notes, rule.Amount = "both", expense.MustMoney("11.99", "EUR") })
}

func checkRuleDeletes(p *probe) {
	b := p.book("a")
	rule, stays := b.putRule(b.rule()), b.putRule(b.rule())
	posted := b.expense("9.99", "EUR", "2025-01-31")
	posted.RuleID, posted.Occurrence = rule.ID, rule.Start
	posted = b.put(posted)[0]
	b.write("DeleteRule", func(tx store.Tx) (expense.Version, error) { return tx.DeleteRule(p.ctx, rule.ID) })
	_, err := b.reader.Rule(p.ctx, rule.ID)
	p.fails(err, expense.ErrGone, "a deleted rule")
	rules, err := b.reader.Rules(p.ctx)
	p.must(err, "Rules")
	sameList(p, rules, []recurrence.Rule{stays}, "rules after a deletion")
	read, err := b.reader.Expense(p.ctx, posted.ID)
	p.must(err, "Expense")
	same(p, read, posted, "an expense that a deleted rule posted")
	b.list(b.reader, expense.Query{Filter: expense.Filter{RuleID: rule.ID}})
	posted.Notes = "still to be edited"
	b.put(posted)
	rule.Version = 0
	err = p.st.Update(p.ctx, b.owner, func(tx store.Tx) error { _, err := tx.PutRules(p.ctx, rule); return err })
	p.fails(err, expense.ErrGone, "a new rule with the id of a deleted one")
}

// due returns who is due at an instant, one "owner instant" a line, with "retry instant" where a rule that failed waits.
func (p *probe) due(now time.Time) []string {
	var list []string
	for _, due := range all(p, p.st.DueOwners(p.ctx, now), "DueOwners") {
		text := string(due.Owner) + " " + due.Since.Format(time.RFC3339Nano)
		if !due.RetryAt.IsZero() {
			text += " retry " + due.RetryAt.Format(time.RFC3339Nano)
		}
		list = append(list, text)
	}
	return list
}

func checkDueOwners(p *probe) {
	next := func(b *book, date string) recurrence.Rule {
		rule := b.rule()
		rule.Next = expense.MustDate(date)
		return rule
	}
	first, second, none := p.bookOf("b"), p.bookOf("B"), p.bookOf("none")
	retried, paused, over, twin := next(first, "2025-03-01"), next(first, "2025-02-01"), first.rule(), next(first, "2025-03-02")
	later, mixed := next(first, "2025-03-01"), next(first, "2025-03-02") // one of several waits longer; one of several waits
	retried.RetryAt = expense.MustDate("2025-03-05").StartIn(time.UTC).Add(time.Microsecond)
	later.RetryAt, mixed.RetryAt = retried.RetryAt.Add(time.Hour), retried.RetryAt
	paused.Paused, over.Next = true, expense.Date{}
	first.write("PutRules", func(tx store.Tx) (expense.Version, error) {
		return tx.PutRules(p.ctx, retried, later, paused, over, next(first, "2025-03-02"), twin, mixed)
	})
	moved := second.putRule(next(second, "2025-03-02"))
	deleted := none.putRule(next(none, "2025-01-01"))
	none.write("DeleteRule", func(tx store.Tx) (expense.Version, error) { return tx.DeleteRule(p.ctx, deleted.ID) })

	failed := "b 2025-03-01T00:00:00Z retry 2025-03-05T00:00:00.000001Z"
	second2, first2 := "B 2025-03-02T00:00:00Z", "b 2025-03-02T00:00:00Z"
	at := expense.MustDate("2025-03-02").StartIn(time.UTC)
	sameList(p, p.due(at.AddDate(0, 0, -1).Add(-time.Microsecond)), nil, "who is due just before the first date begins")
	sameList(p, p.due(at.Add(-time.Microsecond)), []string{failed}, "who is due just before the second date begins")
	sameList(p, p.due(at), []string{failed, second2, first2}, "who is due as the date begins")
	sameList(p, p.due(at.AddDate(1, 0, 0)), []string{failed, second2, first2}, "who is due a year later")

	// What the poster does, with the loop open: each owner's rules are moved on, and are then due no more.
	for due, err := range p.st.DueOwners(p.ctx, at) {
		p.must(err, "DueOwners")
		rules, err := p.st.Reader(due.Owner).Rules(p.ctx)
		p.must(err, "Rules")
		p.must(p.st.Update(p.ctx, due.Owner, func(tx store.Tx) error {
			for i := range rules {
				rules[i].Next, rules[i].RetryAt = expense.MustDate("2025-04-30"), time.Time{}
			}
			_, err := tx.PutRules(p.ctx, rules...)
			return err
		}), "Update")
	}
	sameList(p, p.due(at.AddDate(0, 0, 3)), nil, "who is due after all rules were moved on")
	moved.Version, moved.Next = 2, expense.MustDate("2025-04-30")
	p.fails(p.st.Update(p.ctx, "B", func(tx store.Tx) error {
		moved.Version++
		moved.Next = expense.MustDate("2025-03-03")
		if _, err := tx.PutRules(p.ctx, moved); err != nil {
			return err
		}
		return errOnPurpose
	}), errOnPurpose, "Update")
	sameList(p, p.due(at.AddDate(0, 0, 3)), nil, "who is due after an Update that failed")
	p.must(p.st.EraseLedger(p.ctx, "b"), "EraseLedger")
	sameList(p, p.due(at.AddDate(1, 0, 0)), []string{"B 2025-04-30T00:00:00Z"}, "who is due after a ledger was erased")
}

func checkDueZones(p *probe) {
	b := p.bookOf("a")
	paused, rule := b.rule(), b.rule()
	paused.Paused, rule.Next = true, expense.MustDate("2025-09-07")
	b.write("PutRules", func(tx store.Tx) (expense.Version, error) { return tx.PutRules(p.ctx, paused, rule) })
	for _, zone := range []struct{ name, begins string }{
		{"Pacific/Kiritimati", "2025-09-06T10:00:00Z"}, {"Pacific/Pago_Pago", "2025-09-07T11:00:00Z"},
		{"America/Santiago", "2025-09-07T04:00:00Z"}, // midnight is left out that day: it begins at 01:00
		{"Asia/Kolkata", "2025-09-06T18:30:00Z"}, {"UTC", "2025-09-07T00:00:00Z"},
	} {
		b.update(func(tx store.Tx) error {
			settings, err := tx.Settings(p.ctx)
			if err != nil {
				return err
			}
			if settings.Zone, err = expense.ParseZone(zone.name); err != nil {
				return err
			}
			_, err = tx.PutSettings(p.ctx, settings)
			return err
		})
		begins, err := time.Parse(time.RFC3339, zone.begins)
		p.must(err, "a time")
		sameList(p, p.due(begins.Add(-time.Microsecond)), nil, "who is due before the day begins in %s", zone.name)
		sameList(p, p.due(begins), []string{"a " + zone.begins}, "who is due as the day begins in %s", zone.name)
	}
	read, err := b.reader.Rule(p.ctx, rule.ID)
	p.must(err, "Rule")
	same(p, read.Version, 2, "the version of a rule after its ledger has moved to another zone")
}

func checkManyDue(p *probe) {
	const days, owners = 1300, 3
	first := expense.MustDate("2020-01-01")
	var want []string
	for day := range days {
		for owner := range owners {
			want = append(want, fmt.Sprintf("%d %sT00:00:00Z", owner, first.AddDays(day)))
		}
	}
	for owner := range owners {
		b := p.bookOf(expense.OwnerID(strconv.Itoa(owner)))
		rules := make([]recurrence.Rule, days)
		for day := range rules {
			rules[day] = b.rule()
			rules[day].Next = first.AddDays(day)
		}
		b.write("PutRules", func(tx store.Tx) (expense.Version, error) { return tx.PutRules(p.ctx, rules...) })
	}
	sameList(p, p.due(first.AddDays(days-1).StartIn(time.UTC)), want, "who is due when many are")
	sameList(p, p.due(first.StartIn(time.UTC)), want[:owners], "who is due when few of many are")
}
