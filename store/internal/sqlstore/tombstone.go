package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

var tombstonesTable = &table{
	name:    "spendwise_tombstones",
	columns: columnsOf("owner text, type text, id uuid, version bigint, merged_into uuid, deleted_at bigint"),
}

// missing says of a row that is not there whether there was one.
func (r *reader) missing(ctx context.Context, what store.RowType, id uuid.UUID) error {
	gone, err := r.on().one(ctx, 1, func(*row) {},
		`SELECT 1 FROM spendwise_tombstones WHERE owner = $1 AND type = $2 AND id = $3`, r.owner, what.String(), id.String())
	switch {
	case err != nil:
		return err
	case gone:
		return fmt.Errorf("%s %s: %w", what, id, expense.ErrGone)
	default:
		return fmt.Errorf("%s %s: %w", what, id, expense.ErrNotFound)
	}
}

// absent says what is wrong with writing rows that are not there: those at version 0 must never have been, the others
// were to be.
func (tx *ledgerTx) absent(ctx context.Context, what store.RowType, ids []uuid.UUID, wants []expense.Version) error {
	if len(ids) == 0 {
		return nil
	}
	gone, err := tx.among(ctx, `SELECT e.value FROM %s WHERE EXISTS (
		SELECT 1 FROM spendwise_tombstones t WHERE t.owner = $1 AND t.type = $2 AND t.id = e.value LIMIT 1 OFFSET 0)`, ids,
		tx.owner, what.String())
	if err != nil {
		return err
	}
	for i, id := range ids {
		switch {
		case slices.Contains(gone, id):
			return fmt.Errorf("%s %s: %w", what, id, expense.ErrGone)
		case wants[i] != 0:
			return fmt.Errorf("%s %s: %w", what, id, expense.ErrNotFound)
		}
	}
	return nil
}

// among runs a query over a list of ids that yields ids. Its text is a format for the list, which is the last argument.
func (r *reader) among(ctx context.Context, text string, ids []uuid.UUID, args ...any) ([]uuid.UUID, error) {
	var found []uuid.UUID
	dialect := &r.store.dialect
	list := fmt.Sprintf(dialect.Each, len(args)+1)
	err := r.on().each(ctx, 1, func(row *row) { found = append(found, row.id(0)) },
		fmt.Sprintf(text, list), append(args, dialect.List(idTexts(ids)))...)
	return found, err
}

// bury leaves tombstones of rows, dated by the clock of this process.
func (tx *ledgerTx) bury(ctx context.Context, what store.RowType, into uuid.UUID, ids ...uuid.UUID) error {
	now := time.Now().UnixMicro()
	rows := make([][]any, len(ids))
	for i, id := range ids {
		rows[i] = []any{tx.owner, what.String(), id.String(), int64(tx.next()), nullID(into), now}
	}
	_, err := tx.session.insert(ctx, tombstonesTable, rows)
	return err
}

// expired chooses the tombstones that Purge removes: the index of the same condition is for it.
const expired = `t.deleted_at < %s AND substr(CAST(t.id AS text), 15, 1) <> '5'`

// Purge removes old idempotency records and tombstones. Tombstones go ledger by ledger, under its lock: its floor rises
// with them.
func (s *Store) Purge(ctx context.Context, requests, tombstones time.Time) error {
	err := s.atomically(ctx, func(session *session) error {
		_, err := session.exec(ctx, `DELETE FROM spendwise_idempotency_records WHERE created_at < $1 AND retention <> $2
			OR created_at < $3 AND retention = $2`, requests.UnixMicro(), int64(store.RetentionTombstones),
			tombstones.UnixMicro())
		return err
	})
	if err != nil {
		return err
	}
	old := `SELECT DISTINCT t.owner FROM spendwise_tombstones t WHERE ` + fmt.Sprintf(expired, "$1")
	var owners []string
	if err := s.outside().each(ctx, 1, func(r *row) { owners = append(owners, r.text(0)) }, old,
		tombstones.UnixMicro()); err != nil {
		return err
	}
	for _, owner := range owners {
		if err := s.purgeLedger(ctx, owner, tombstones.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) purgeLedger(ctx context.Context, owner string, before int64) error {
	return s.atomically(ctx, func(session *session) error {
		if _, err := session.one(ctx, ledgerWidth, func(*row) {}, selectLedger+s.dialect.Lock, owner); err != nil {
			return err
		}
		old := fmt.Sprintf(expired, "$2")
		_, err := session.exec(ctx, `UPDATE spendwise_ledgers SET floor = (SELECT max(version) FROM (
				SELECT max(t.version) AS version FROM spendwise_tombstones t WHERE t.owner = $1 AND `+old+`
				UNION ALL SELECT l.floor FROM spendwise_ledgers l WHERE l.owner = $1) floors)
			WHERE owner = $1`, owner, before)
		if err != nil {
			return err
		}
		_, err = session.exec(ctx, `DELETE FROM spendwise_tombstones AS t WHERE t.owner = $1 AND `+old, owner, before)
		return err
	})
}
