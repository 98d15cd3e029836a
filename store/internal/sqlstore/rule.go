package sqlstore

import (
	"context"
	"database/sql"
	"iter"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// A ruleRow is a row of the table of recurring rules.
type ruleRow struct {
	bun.BaseModel `bun:"table:spendwise_rules,alias:r"`

	Owner      string     `bun:",pk"`
	ID         sqldb.UUID `bun:"id,pk,type:uuid"`
	Amount     int64
	Currency   string
	CategoryID sqldb.UUID `bun:"type:uuid"`
	Notes      string

	Every, Times                            int64 // the interval and the count
	Freq, Weekdays, MonthDay, OnMissing     int64
	StartDate, UntilDate, NextDate, Settled int64
	Paused, Failures                        int64
	Skipped, LastError                      string
	Version, Guard, CreatedAt, UpdatedAt    int64

	RetryAt sql.Null[int64] // NULL: posting need not wait
	DueAt   sql.Null[int64] // when the rule is due in the ledger's zone; NULL: never
}

func newRuleRow(owner string, zone expense.Zone, r recurrence.Rule) ruleRow {
	return ruleRow{
		Owner: owner, ID: sqldb.UUID(r.ID), Amount: r.Amount.Minor(), Currency: r.Amount.Currency().Code(),
		CategoryID: sqldb.UUID(r.CategoryID), Notes: r.Notes, Freq: int64(r.Freq), Every: int64(r.Interval),
		Weekdays: int64(r.Weekdays), MonthDay: int64(r.MonthDay), OnMissing: int64(r.OnMissing),
		StartDate: int64(r.Start.Int()), UntilDate: int64(r.Until.Int()), Times: int64(r.Count), Paused: sqldb.Flag(r.Paused),
		NextDate: int64(r.Next.Int()), Skipped: r.Skipped.String(), Settled: int64(r.SettledThrough.Int()),
		LastError: r.LastError, Failures: int64(r.Failures), RetryAt: sqldb.NullMicros(r.RetryAt),
		DueAt: sqldb.NullMicros(r.DueAt(zone)), Version: int64(r.Version), Guard: int64(r.Guard),
		CreatedAt: sqldb.Micros(r.CreatedAt), UpdatedAt: sqldb.Micros(r.UpdatedAt),
	}
}

func (row *ruleRow) rule() (recurrence.Rule, error) {
	var d sqldb.Decoder
	skipped, err := recurrence.ParseDateSet(row.Skipped)
	d.Keep(err)
	return recurrence.Rule{
		ID: uuid.UUID(row.ID), Amount: d.Money(row.Amount, row.Currency), CategoryID: uuid.UUID(row.CategoryID),
		Notes: row.Notes, Freq: recurrence.Freq(row.Freq), Interval: int(row.Every),
		Weekdays: recurrence.Weekdays(row.Weekdays), MonthDay: int(row.MonthDay),
		OnMissing: recurrence.OnMissing(row.OnMissing), Start: d.Date(row.StartDate), Until: d.Date(row.UntilDate),
		Count: int(row.Times), Paused: row.Paused != 0, Next: d.Date(row.NextDate), Skipped: skipped,
		SettledThrough: d.Date(row.Settled), LastError: row.LastError, Failures: int(row.Failures),
		RetryAt: sqldb.FromNullMicros(row.RetryAt), Version: expense.Version(row.Version), Guard: expense.Version(row.Guard),
		CreatedAt: sqldb.FromMicros(row.CreatedAt), UpdatedAt: sqldb.FromMicros(row.UpdatedAt),
	}, d.Err
}

func (r *reader) Rule(ctx context.Context, id uuid.UUID) (recurrence.Rule, error) {
	session := r.on()
	var row ruleRow
	found, err := session.Find(ctx, session.NewSelect().Model(&row).Where("owner = ? AND id = ?", r.owner, sqldb.UUID(id)))
	switch {
	case err != nil:
		return recurrence.Rule{}, err
	case !found:
		return recurrence.Rule{}, r.missing(ctx, store.RuleRow, id)
	}
	return row.rule()
}

func (r *reader) Rules(ctx context.Context) ([]recurrence.Rule, error) {
	session := r.on()
	return sqldb.FindAll(ctx, session, session.NewSelect().Where("owner = ?", r.owner).Order("id"), (*ruleRow).rule)
}

func (tx *ledgerTx) PutRules(ctx context.Context, rules ...recurrence.Rule) (expense.Version, error) {
	if len(rules) == 0 {
		return 0, tx.session.Failed
	}
	ids := make([]sqldb.UUID, len(rules))
	for i, rule := range rules {
		ids[i] = sqldb.UUID(rule.ID)
	}
	query := tx.session.NewSelect().Where("owner = ? AND id IN (?)", tx.owner, bun.List(ids))
	stored, err := sqldb.FindAll(ctx, tx.session, query, (*ruleRow).rule)
	if err != nil {
		return 0, err
	}
	current := make(map[uuid.UUID]recurrence.Rule, len(stored))
	for _, rule := range stored {
		current[rule.ID] = rule
	}
	err = checkRows(ctx, tx, store.RuleRow, rules, current, func(r recurrence.Rule) uuid.UUID { return r.ID },
		func(r recurrence.Rule) expense.Version { return r.Version })
	if err != nil {
		return 0, err
	}
	rows := make([]ruleRow, len(rules))
	for i, rule := range rules {
		old, ok := current[rule.ID]
		rule.Version, rule.Guard = tx.next(), old.Guard
		if !ok || !rule.SameGuardedFields(old) {
			rule.Guard = tx.next()
		}
		rows[i] = newRuleRow(tx.owner, tx.settings.Zone, rule)
	}
	_, err = tx.session.Change(ctx, tx.session.NewInsert().Model(&rows).On("CONFLICT (owner, id) DO UPDATE"))
	return tx.next(), err
}

func (tx *ledgerTx) DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	deleted, err := tx.session.Change(ctx, tx.session.NewDelete().Model((*ruleRow)(nil)).
		Where("owner = ? AND id = ?", tx.owner, sqldb.UUID(id)))
	switch {
	case err != nil:
		return 0, err
	case deleted == 0:
		return 0, tx.missing(ctx, store.RuleRow, id)
	}
	return tx.next(), tx.bury(ctx, store.RuleRow, id)
}

// updateDueTimes computes when the ledger's rules are due in the zone of its settings.
func (tx *ledgerTx) updateDueTimes(ctx context.Context) error {
	rules, err := tx.Rules(ctx)
	if err != nil {
		return err
	}
	for _, rule := range rules {
		_, err := tx.session.Change(ctx, tx.session.NewUpdate().Model((*ruleRow)(nil)).
			Set("due_at = ?", sqldb.NullMicros(rule.DueAt(tx.settings.Zone))).
			Where("owner = ? AND id = ?", tx.owner, sqldb.UUID(rule.ID)))
		if err != nil {
			return err
		}
	}
	return nil
}

// A dueRow is a row of selectDue.
type dueRow struct {
	DueAt   int64
	Owner   string
	RetryAt sql.Null[int64]
}

// selectDue reads only the index of the times at which rules are due, so its cost does not depend on the other rules.
const selectDue = `SELECT due_at, owner, NULLIF(MIN(COALESCE(retry_at, 0)), 0) AS retry_at FROM spendwise_rules
	WHERE due_at <= ? AND (due_at, owner) > (?, ?) GROUP BY due_at, owner ORDER BY due_at, owner LIMIT ?`

// DueOwners implements [store.Store]. It reads in chunks, without a lock.
func (s *Store) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return func(yield func(store.DueOwner, error) bool) {
		last := dueRow{DueAt: math.MinInt64}
		for {
			var rows []dueRow
			query := s.Reading().NewRaw(selectDue, sqldb.Micros(expense.Timestamp(now)), last.DueAt, last.Owner, chunkRows)
			_, err := s.Single().Find(ctx, query, &rows)
			if err != nil {
				yield(store.DueOwner{}, err)
				return
			}
			for _, last = range rows {
				due := store.DueOwner{
					Since: sqldb.FromMicros(last.DueAt), Owner: expense.OwnerID(last.Owner),
					RetryAt: sqldb.FromNullMicros(last.RetryAt),
				}
				if !yield(due, nil) {
					return
				}
			}
			if len(rows) < chunkRows {
				return
			}
		}
	}
}
