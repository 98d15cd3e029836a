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

func checkRuleValues(t *checkT) {
	l := t.ledger("a")
	plain, full, last := l.newRule(), l.newRule(), l.newRule()
	full.Amount, full.CategoryID = money("-123.456", "KWD"), l.rent
	full.Notes = strings.Join(trickyTexts, "")
	full.Freq, full.Interval, full.Weekdays = recurrence.Weekly, 52, 0x7f
	full.Until, full.Next, full.Paused = date("2399-12-31"), expense.Date{}, true
	full.Skipped = recurrence.NewDateSet(date("2025-02-07"), date("2399-12-31"))
	full.SettledThrough = date("2025-01-30")
	full.LastError, full.Failures, full.RetryAt = strings.Join(trickyTexts, ""), 7, nanoTime
	full.CreatedAt = nanoTime
	last.MonthDay, last.OnMissing, last.Count = recurrence.LastDay, recurrence.SkipMonth, 1000
	last.Amount = minorUnits(expense.MaxMinor, currency("JPY")) // no part of a total until it is posted
	last.Start, last.Next = date("1900-01-01"), date("1900-01-31")
	rules := []recurrence.Rule{plain, full, last}
	version := l.write(call(store.Tx.PutRules, rules...))
	for i := range rules {
		rules[i].Version, rules[i].Guard, rules[i].CreatedAt = version, version, expense.Timestamp(rules[i].CreatedAt)
	}
	rules[1].RetryAt = expense.Timestamp(nanoTime)
	wantRules := func() {
		for _, rule := range rules {
			l.wantRule(rule, "Rule as it was written")
		}
		want := slices.SortedFunc(slices.Values(rules), func(x, y recurrence.Rule) int { return compareIDs(x.ID, y.ID) })
		equalLists(t, get(t, l.reader.Rules), want, "Rules")
	}
	wantRules()
	rule := rules[0]
	rule.Freq, rule.Interval, rule.Start, rule.Next = recurrence.Yearly, 4, date("2024-02-29"), date("2028-02-29")
	rule.Until, rule.CategoryID, rule.UpdatedAt = date("2050-01-01"), l.travel, epoch.Add(time.Hour)
	rules[0] = l.putRule(rule)
	wantRules()
	wantErrorBy(t, l.reader.Rule, l.id(), errNeverExisted, "an unknown id")
}

func checkRuleGuard(t *checkT) {
	l := t.ledger("a")
	rule := l.putRule(l.newRule())
	wantGuard := func(action string, guarded bool, change func()) {
		want := rule.Guard
		change()
		rule.Guard = 4711 // the store ignores the caller's Guard
		if version := l.write(call(store.Tx.PutRules, rule)); guarded {
			want = version
		}
		rule = getBy(t, l.reader.Rule, rule.ID)
		equal(t, rule.Guard, want, "the Guard of a rule after %s", action)
	}
	wantGuard("other notes", false, func() { rule.Notes = "other" })
	wantGuard("a pause", false, func() { rule.Paused = true })
	wantGuard("another Next", false, func() { rule.Next = date("2025-02-28") })
	wantGuard("a skipped occurrence", false, func() { rule.Skipped = recurrence.NewDateSet(date("2025-03-31")) })
	wantGuard("another SettledThrough", false, func() { rule.SettledThrough = date("2025-02-27") })
	wantGuard("a failure", false, func() { rule.LastError, rule.Failures, rule.RetryAt = "no", 1, epoch.Add(time.Hour) })
	wantGuard("a write without a change", false, func() {})
	wantGuard("another amount", true, func() { rule.Amount = money("10.99", "EUR") })
	wantGuard("another category", true, func() { rule.CategoryID = l.rent })
	wantGuard("another interval", true, func() { rule.Interval = 2 })
	wantGuard("an end", true, func() { rule.Until = date("2026-01-01") })
	wantGuard("another OnMissing", true, func() { rule.OnMissing = recurrence.SkipMonth })
	wantGuard("notes and amount together", true, func() { rule.Notes, rule.Amount = "both", money("11.99", "EUR") })
}

func checkRuleDeletes(t *checkT) {
	l := t.ledger("a")
	rule, other := l.putRule(l.newRule()), l.putRule(l.newRule())
	posted := l.newExpense("9.99", "EUR", "2025-01-31")
	posted.RuleID, posted.Occurrence = rule.ID, rule.Start
	posted = l.put(posted)[0]
	l.deleteRule(rule.ID)
	wantErrorBy(t, l.reader.Rule, rule.ID, expense.ErrGone, "a deleted rule")
	equalLists(t, get(t, l.reader.Rules), []recurrence.Rule{other}, "Rules after a deletion")
	l.wantExpense(posted, "Expense that a deleted rule posted")
	l.wantList(l.reader, expense.Query{Filter: expense.Filter{RuleID: rule.ID}})
	posted.Notes = "changed"
	l.put(posted)
	rule.Version = 0
	l.wantRejected(call(store.Tx.PutRules, rule), expense.ErrGone, "a new rule with a deleted id")
}

// dueOwners formats what DueOwners yields: the owner, Since and, if it is not zero, RetryAt.
func (t *checkT) dueOwners(now time.Time) []string {
	var list []string
	for _, due := range collect(t, t.st.DueOwners(t.ctx, now), "DueOwners") {
		text := string(due.Owner) + " " + due.Since.Format(time.RFC3339Nano)
		if !due.RetryAt.IsZero() {
			text += " retry " + due.RetryAt.Format(time.RFC3339Nano)
		}
		list = append(list, text)
	}
	return list
}

func checkDueOwners(t *checkT) {
	next := func(l *ledger, day string) recurrence.Rule {
		rule := l.newRule()
		rule.Next = date(day)
		return rule
	}
	wantDue := func(now time.Time, subject string, want ...string) {
		equalLists(t, t.dueOwners(now), want, "DueOwners %s", subject)
	}
	first, second, none := t.ledgerOf("b"), t.ledgerOf("B"), t.ledgerOf("none")
	// Two rules failed: RetryAt is that of the one that retries first. One rule of several failed: RetryAt is zero.
	retries, retriesLater, failedToo := next(first, "2025-03-01"), next(first, "2025-03-01"), next(first, "2025-03-02")
	retries.RetryAt = date("2025-03-05").StartIn(time.UTC).Add(time.Microsecond)
	retriesLater.RetryAt, failedToo.RetryAt = retries.RetryAt.Add(time.Hour), retries.RetryAt
	paused, ended := next(first, "2025-02-01"), first.newRule()
	paused.Paused, ended.Next = true, expense.Date{}
	first.write(call(store.Tx.PutRules, retries, retriesLater, paused, ended, next(first, "2025-03-02"),
		next(first, "2025-03-02"), failedToo))
	moved := second.putRule(next(second, "2025-03-02"))
	none.deleteRule(none.putRule(next(none, "2025-01-01")).ID)

	failed := "b 2025-03-01T00:00:00Z retry 2025-03-05T00:00:00.000001Z"
	ofSecond, ofFirst := "B 2025-03-02T00:00:00Z", "b 2025-03-02T00:00:00Z"
	at := date("2025-03-02").StartIn(time.UTC)
	wantDue(at.AddDate(0, 0, -1).Add(-time.Microsecond), "just before the first date begins")
	wantDue(at.Add(-time.Microsecond), "just before the second date begins", failed)
	wantDue(at, "as the second date begins", failed, ofSecond, ofFirst)
	wantDue(at.AddDate(1, 0, 0), "a year later", failed, ofSecond, ofFirst)

	// As posting does, the loop's body changes the rules.
	for due, err := range t.st.DueOwners(t.ctx, at) {
		t.noError(err, "DueOwners")
		rules := get(t, t.st.Reader(due.Owner).Rules)
		for i := range rules {
			rules[i].Next, rules[i].RetryAt = date("2025-04-30"), time.Time{}
		}
		t.noError(t.st.Update(t.ctx, due.Owner, func(tx store.Tx) error {
			return t.runCalls(tx, call(store.Tx.PutRules, rules...))
		}), "Update")
	}
	wantDue(at.AddDate(0, 0, 3), "after the Next of all rules was moved")
	moved.Version, moved.Next = moved.Version+1, date("2025-03-03")
	second.rollBack(call(store.Tx.PutRules, moved))
	wantDue(at.AddDate(0, 0, 3), "after an Update whose function failed")
	t.erase("b")
	wantDue(at.AddDate(1, 0, 0), "after a ledger was erased", "B 2025-04-30T00:00:00Z")
}

func checkDueZones(t *checkT) {
	l := t.ledgerOf("a")
	paused, rule := l.newRule(), l.newRule()
	paused.Paused, rule.Next = true, date("2025-09-07")
	l.write(call(store.Tx.PutRules, paused, rule))
	for _, zone := range []struct{ name, begins string }{
		{"Pacific/Kiritimati", "2025-09-06T10:00:00Z"}, {"Pacific/Pago_Pago", "2025-09-07T11:00:00Z"},
		{"America/Santiago", "2025-09-07T04:00:00Z"}, // the day begins at 01:00
		{"Asia/Kolkata", "2025-09-06T18:30:00Z"}, {"UTC", "2025-09-07T00:00:00Z"},
	} {
		settings := get(t, l.reader.Settings)
		var err error
		settings.Zone, err = expense.ParseZone(zone.name)
		t.noError(err, "ParseZone")
		l.write(callBy(store.Tx.PutSettings, settings))
		begins, err := time.Parse(time.RFC3339, zone.begins)
		t.noError(err, "time.Parse")
		equalLists(t, t.dueOwners(begins.Add(-time.Microsecond)), nil, "DueOwners before the day begins in %s", zone.name)
		equalLists(t, t.dueOwners(begins), []string{"a " + zone.begins}, "DueOwners as the day begins in %s", zone.name)
	}
	equal(t, getBy(t, l.reader.Rule, rule.ID).Version, 2, "the version of a rule after its ledger got another zone")
}

func checkManyDue(t *checkT) {
	const days, owners = 1300, 3
	first := date("2020-01-01")
	var want []string
	for day := range days {
		for owner := range owners {
			want = append(want, fmt.Sprintf("%d %sT00:00:00Z", owner, first.AddDays(day)))
		}
	}
	for owner := range owners {
		l := t.ledgerOf(expense.OwnerID(strconv.Itoa(owner)))
		rules := make([]recurrence.Rule, days)
		for day := range rules {
			rules[day] = l.newRule()
			rules[day].Next = first.AddDays(day)
		}
		l.write(call(store.Tx.PutRules, rules...))
	}
	equalLists(t, t.dueOwners(first.AddDays(days-1).StartIn(time.UTC)), want, "DueOwners with many due rules")
	equalLists(t, t.dueOwners(first.StartIn(time.UTC)), want[:owners], "DueOwners with a few due rules of many")
}
