package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// A tombstoneRow is what a deleted row leaves.
type tombstoneRow struct {
	bun.BaseModel `bun:"table:spendwise_tombstones,alias:t"`

	Owner      string     `bun:",pk"`
	Type       string     `bun:",pk"` // the name of the store.RowType
	ID         sqldb.UUID `bun:"id,pk,type:uuid"`
	Version    int64
	MergedInto sqldb.NullUUID `bun:"type:uuid"`
	NameKey    sqldb.NullText // the folded name of a merged category
	DeletedAt  int64
	Permanent  int64 // 1: Purge keeps the tombstone
}

// tombstone returns the tombstone of a row that this Update deletes. Its time is that of this process.
func (tx *ledgerTx) tombstone(rowType store.RowType, id, into uuid.UUID, now time.Time) tombstoneRow {
	return tombstoneRow{
		Owner: tx.owner, Type: rowType.String(), ID: sqldb.UUID(id), Version: int64(tx.next()),
		MergedInto: sqldb.NullUUID(into),
		DeletedAt:  sqldb.Micros(now), Permanent: sqldb.Flag(id.Version() == 5 || into != uuid.Nil),
	}
}

// bury stores the tombstone of a deleted row.
func (tx *ledgerTx) bury(ctx context.Context, rowType store.RowType, id uuid.UUID) error {
	row := tx.tombstone(rowType, id, uuid.Nil, time.Now())
	_, err := tx.session.Change(ctx, tx.session.NewInsert().Model(&row))
	return err
}

// absentError returns the error for a row that does not exist: ErrGone if it was deleted, else ErrNotFound.
func absentError(rowType store.RowType, id uuid.UUID, gone bool) error {
	if gone {
		return fmt.Errorf("%s %s: %w", rowType, id, expense.ErrGone)
	}
	return fmt.Errorf("%s %s: %w", rowType, id, expense.ErrNotFound)
}

// missing returns the error for a row that does not exist. It reads whether there is a tombstone.
func (r *reader) missing(ctx context.Context, rowType store.RowType, id uuid.UUID) error {
	gone, err := r.deleted(ctx, rowType, []uuid.UUID{id})
	if err != nil {
		return err
	}
	return absentError(rowType, id, gone[id])
}

// deleted returns which of the ids have a tombstone.
func (r *reader) deleted(ctx context.Context, rowType store.RowType, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	gone := make(map[uuid.UUID]bool)
	err := sqldb.Each(ctx, r.on(), func(row *idRow) error {
		gone[uuid.UUID(row.ID)] = true
		return nil
	}, r.store.texts.deleted, r.store.Dialect.IDs(ids), r.owner, rowType.String())
	return gone, err
}

// checkRows returns the error of rows that cannot be written. current holds the stored rows with their ids.
func checkRows[R any](
	ctx context.Context, tx *ledgerTx, rowType store.RowType, rows []R, current map[uuid.UUID]R, id func(R) uuid.UUID,
	version func(R) expense.Version,
) error {
	if err := checkDistinct(rowType, rows, id); err != nil {
		return err
	}
	var absent []uuid.UUID
	for _, row := range rows {
		if _, ok := current[id(row)]; !ok {
			absent = append(absent, id(row))
		}
	}
	gone, err := tx.deleted(ctx, rowType, absent)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if _, ok := current[id(row)]; !ok && (gone[id(row)] || version(row) != 0) {
			return absentError(rowType, id(row), gone[id(row)])
		}
	}
	for _, row := range rows {
		if old, ok := current[id(row)]; ok {
			if err := checkVersion(rowType.String()+" "+id(row).String(), version(row), version(old)); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkDistinct returns ErrInvalid if two rows have the same id.
func checkDistinct[R any](rowType store.RowType, rows []R, id func(R) uuid.UUID) error {
	seen := make(map[uuid.UUID]struct{}, len(rows))
	for _, row := range rows {
		if _, duplicate := seen[id(row)]; duplicate {
			return &expense.InvalidError{
				Field: "id", Code: "duplicate",
				Detail: fmt.Sprintf("%s %s occurs twice in one call; give it once", rowType, id(row)),
			}
		}
		seen[id(row)] = struct{}{}
	}
	return nil
}

// Purge implements [store.Store]. It purges the tombstones of each ledger in a transaction of their own, under the lock
// of the ledger, because it also raises the ledger's floor.
func (s *Store) Purge(ctx context.Context, requests, tombstones time.Time) error {
	err := s.Atomically(ctx, func(session *sqldb.Session) error {
		_, err := session.Change(ctx, session.NewDelete().Model((*recordRow)(nil)).
			Where("created_at < ? AND retention <> ?", sqldb.Micros(requests), int64(store.RetentionTombstones)).
			WhereOr("created_at < ? AND retention = ?", sqldb.Micros(tombstones), int64(store.RetentionTombstones)))
		return err
	})
	if err != nil {
		return err
	}
	var owners []string
	_, err = s.Single().Find(ctx, s.Reading().NewSelect().Model((*tombstoneRow)(nil)).Distinct().Column("owner").
		Where("deleted_at < ? AND permanent = 0", sqldb.Micros(tombstones)), &owners)
	if err != nil {
		return err
	}
	for _, owner := range owners {
		if err := s.purgeLedger(ctx, owner, sqldb.Micros(tombstones)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) purgeLedger(ctx context.Context, owner string, before int64) error {
	return s.Atomically(ctx, func(session *sqldb.Session) error {
		var row ledgerRow
		if _, err := sqldb.One(ctx, session, &row, s.texts.lockLedger, owner); err != nil {
			return err
		}
		const expired = "owner = ? AND deleted_at < ? AND permanent = 0"
		var purged int64
		_, err := session.Find(ctx, session.NewSelect().Model((*tombstoneRow)(nil)).
			ColumnExpr("coalesce(max(version), 0)").Where(expired, owner, before), &purged)
		if err != nil {
			return err
		}
		row.Floor = max(row.Floor, purged)
		if _, err := session.Change(ctx, session.NewUpdate().Model(&row).WherePK().Column("floor")); err != nil {
			return err
		}
		_, err = session.Change(ctx, session.NewDelete().Model((*tombstoneRow)(nil)).Where(expired, owner, before))
		return err
	})
}
