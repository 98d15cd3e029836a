package sqlstore

import (
	"context"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

const (
	ruleCells = `r.id, r.amount, r.currency, r.category_id, r.notes, r.freq, r.every, r.weekdays, r.month_day,
		r.on_missing,
		r.start_date, r.until_date, r.times, r.paused, r.next_date, r.skipped, r.settled, r.last_error, r.failures,
		r.retry_at, r.version, r.guard,
		r.created_at, r.updated_at`
	ruleWidth = 24
)

var ruleColumns = columnsOf(`owner text, id uuid, amount bigint, currency text, category_id uuid, notes text,
	freq smallint,
	every integer, weekdays smallint, month_day smallint, on_missing smallint, start_date integer, until_date integer,
	times integer,
	paused smallint, next_date integer, skipped text, settled integer, last_error text, failures integer, retry_at bigint,
	due_at bigint, version bigint, guard bigint, created_at bigint, updated_at bigint`)

var rulesTable = &table{name: "spendwise_rules", columns: ruleColumns, conflict: replace(ruleColumns)}

func ruleRow(owner string, zone expense.Zone, r recurrence.Rule) []any {
	return []any{owner, r.ID.String(), r.Amount.Minor(), r.Amount.Currency().Code(), r.CategoryID.String(), r.Notes,
		int64(r.Freq),
		int64(r.Interval), int64(r.Weekdays), int64(r.MonthDay), int64(r.OnMissing), int64(r.Start.Int()),
		int64(r.Until.Int()),
		int64(r.Count), flag(r.Paused), int64(r.Next.Int()), r.Skipped.String(), int64(r.SettledThrough.Int()), r.LastError,
		int64(r.Failures),
		nullInstant(r.RetryAt), nullInstant(r.DueAt(zone)), int64(r.Version), int64(r.Guard), r.CreatedAt.UnixMicro(),
		r.UpdatedAt.UnixMicro()}
}

func scanRule(r *row) recurrence.Rule {
	return recurrence.Rule{
		ID: r.id(0), Amount: r.money(1, 2), CategoryID: r.id(3), Notes: r.text(4), Freq: recurrence.Freq(r.int(5)),
		Interval: int(r.int(6)), Weekdays: recurrence.Weekdays(r.int(7)), MonthDay: int(r.int(8)),
		OnMissing: recurrence.OnMissing(r.int(9)), Start: r.date(10), Until: r.date(11), Count: int(r.int(12)),
		Paused: r.bool(13),
		Next:   r.date(14), Skipped: r.dates(15), SettledThrough: r.date(16), LastError: r.text(17), Failures: int(r.int(18)),
		RetryAt: r.nullInstant(19),
		Version: r.version(20), Guard: r.version(21), CreatedAt: r.instant(22), UpdatedAt: r.instant(23),
	}
}

func (r *reader) Rule(ctx context.Context, id uuid.UUID) (rule recurrence.Rule, err error) {
	if r.invalid != nil {
		return rule, r.invalid
	}
	found, err := r.on().one(ctx, ruleWidth, func(row *row) { rule = scanRule(row) },
		`SELECT `+ruleCells+` FROM spendwise_rules r WHERE r.owner = $1 AND r.id = $2`, r.owner, id.String())
	if err == nil && !found {
		err = r.missing(ctx, store.RuleRow, id)
	}
	return rule, err
}

func (r *reader) Rules(ctx context.Context) (rules []recurrence.Rule, err error) {
	if r.invalid != nil {
		return nil, r.invalid
	}
	err = r.on().each(ctx, ruleWidth, func(row *row) { rules = append(rules, scanRule(row)) },
		`SELECT `+ruleCells+` FROM spendwise_rules r WHERE r.owner = $1 ORDER BY r.id`, r.owner)
	return rules, err
}

func (tx *ledgerTx) PutRules(ctx context.Context, rules ...recurrence.Rule) (expense.Version, error) {
	if len(rules) == 0 {
		return 0, tx.session.doomed
	}
	if err := distinct(store.RuleRow, rules, ruleID); err != nil {
		return 0, err
	}
	ids := make([]uuid.UUID, len(rules))
	for i, rule := range rules {
		ids[i] = rule.ID
	}
	current := make(map[uuid.UUID]recurrence.Rule)
	err := tx.session.each(ctx, ruleWidth, func(r *row) { rule := scanRule(r); current[rule.ID] = rule },
		fmt.Sprintf(`SELECT `+ruleCells+` FROM `+tx.store.dialect.Each+` CROSS JOIN spendwise_rules r WHERE r.owner = $1
			AND r.id = e.value`, 2),
		tx.owner, tx.store.dialect.List(idTexts(ids)))
	if err != nil {
		return 0, err
	}
	err = admitAll(ctx, tx, store.RuleRow, rules, current, ruleID,
		func(r recurrence.Rule) expense.Version { return r.Version })
	if err != nil {
		return 0, err
	}
	rows := make([][]any, len(rules))
	for i, rule := range rules {
		old, ok := current[rule.ID]
		rule.Version, rule.Guard = tx.next(), old.Guard
		if !ok || !rule.SameGuardedFields(old) {
			rule.Guard = tx.next()
		}
		rows[i] = ruleRow(tx.owner, tx.settings.Zone, rule)
	}
	if _, err := tx.session.insert(ctx, rulesTable, rows); err != nil {
		return 0, err
	}
	return tx.next(), nil
}

func ruleID(r recurrence.Rule) uuid.UUID { return r.ID }

func (tx *ledgerTx) DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	deleted, err := tx.session.exec(ctx, `DELETE FROM spendwise_rules WHERE owner = $1 AND id = $2`, tx.owner, id.String())
	switch {
	case err != nil:
		return 0, err
	case deleted == 0:
		return 0, tx.missing(ctx, store.RuleRow, id)
	}
	return tx.next(), tx.bury(ctx, store.RuleRow, uuid.Nil, id)
}

const dueOwners = `SELECT due_at, owner, NULLIF(MIN(COALESCE(retry_at, 0)), 0) FROM spendwise_rules
	WHERE due_at <= $1 AND (due_at, owner) > ($2, $3) GROUP BY due_at, owner ORDER BY due_at, owner LIMIT $4`

// DueOwners reads the index of the rules' due instants, and nothing else, in chunks and without a lock: while nothing
// is due, its cost does not grow with the rules there are.
func (s *Store) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return func(yield func(store.DueOwner, error) bool) {
		since, owner := int64(math.MinInt64), ""
		for {
			var chunk []store.DueOwner
			err := s.outside().each(ctx, 3, func(r *row) {
				chunk = append(chunk, store.DueOwner{Since: r.instant(0), Owner: expense.OwnerID(r.text(1)),
					RetryAt: r.nullInstant(2)})
			}, dueOwners, expense.Timestamp(now).UnixMicro(), since, owner, int64(chunkRows))
			if err != nil {
				yield(store.DueOwner{}, err)
				return
			}
			for _, due := range chunk {
				if !yield(due, nil) {
					return
				}
				since, owner = due.Since.UnixMicro(), string(due.Owner)
			}
			if len(chunk) < chunkRows {
				return
			}
		}
	}
}

// rezone derives anew when the ledger's rules are due, in the zone that its settings have now.
func (tx *ledgerTx) rezone(ctx context.Context) error {
	rules, err := tx.Rules(ctx)
	if err != nil {
		return err
	}
	for _, rule := range rules {
		_, err := tx.session.exec(ctx, `UPDATE spendwise_rules SET due_at = $3 WHERE owner = $1 AND id = $2`,
			tx.owner, rule.ID.String(), nullInstant(rule.DueAt(tx.settings.Zone)))
		if err != nil {
			return err
		}
	}
	return nil
}
