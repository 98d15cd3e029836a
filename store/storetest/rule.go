package storetest

import (
	"slices"
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
)

func ruleChecks() []check {
	return []check{
		{name: "rule-values", guards: []string{sayRule, sayRules, sayRuleDoomed}, run: checkRuleValues},
		{name: "rule-guard", guards: []string{sayRulesToo, sayRuleDoomed}, run: checkRuleGuard},
		{name: "rule-deletes", guards: []string{sayDeleteRule, sayRule}, run: checkRuleDeletes},
	}
}

func checkRuleValues(p *probe) {
	b := p.book("a")
	plain, full, last := b.rule(), b.rule(), b.rule()
	full.Amount, full.CategoryID = expense.MustMoney("-123.456", "KWD"), b.rent
	full.Notes = strings.Join(oddTexts, "")
	full.Freq, full.Interval, full.Weekdays = recurrence.Weekly, 52, 0x7f
	full.Until, full.Next, full.Paused = expense.MustDate("2399-12-31"), expense.Date{}, true
	full.CreatedAt = time.Date(2025, time.May, 1, 2, 3, 4, 567891234, time.FixedZone("somewhere", 3*3600))
	last.MonthDay, last.OnMissing, last.Count = recurrence.LastDay, recurrence.Skip, 1000
	last.Amount = minor(expense.MaxMinor, expense.MustCurrency("JPY")) // counts towards no total until it is posted
	last.Start, last.Next = expense.MustDate("1900-01-01"), expense.MustDate("1900-01-31")
	rules := []recurrence.Rule{plain, full, last}
	version := b.write("PutRules", func(tx store.Tx) (expense.Version, error) { return tx.PutRules(p.ctx, rules...) })
	for i := range rules {
		rules[i].Version, rules[i].Guard, rules[i].CreatedAt = version, version, expense.Instant(rules[i].CreatedAt)
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
	guard("a change of nothing", false, func() {})
	guard("another amount", true, func() { rule.Amount = expense.MustMoney("10.99", "EUR") })
	guard("another category", true, func() { rule.CategoryID = b.rent })
	guard("another interval", true, func() { rule.Interval = 2 })
	guard("an end", true, func() { rule.Until = expense.MustDate("2026-01-01") })
	guard("another way with missing days", true, func() { rule.OnMissing = recurrence.Skip })
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
