package sqlaccounts

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// A tokenRow is a personal access token.
type tokenRow struct {
	bun.BaseModel `bun:"table:spendwise_tokens,alias:t"`

	Owner     string     `bun:",pk"`
	ID        sqldb.UUID `bun:"id,pk,type:uuid"`
	Name      string
	Scopes    int64 // a bit set
	Secret    []byte
	CreatedAt int64
	ExpiresAt int64
	UsedAt    sql.Null[int64]
}

func (row *tokenRow) token() (accounts.Token, error) {
	var d sqldb.Decoder
	account, err := uuid.Parse(row.Owner)
	d.Keep(err)
	return accounts.Token{
		Account: account, ID: uuid.UUID(row.ID), Name: row.Name, Scopes: uint8(row.Scopes), Secret: hash(&d, row.Secret),
		CreatedAt: sqldb.FromMicros(row.CreatedAt), ExpiresAt: sqldb.FromMicros(row.ExpiresAt),
		UsedAt: sqldb.FromNullMicros(row.UsedAt),
	}, d.Err
}

func tokenError(id uuid.UUID, err error) error { return fmt.Errorf("token %s: %w", id, err) }

func (a accountStore) CreateToken(ctx context.Context, token accounts.Token) error {
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		if _, err := a.row(ctx, session, token.Account, true); err != nil {
			return err
		}
		row := tokenRow{
			Owner: token.Account.String(), ID: sqldb.UUID(token.ID), Name: token.Name, Scopes: int64(token.Scopes),
			Secret: token.Secret[:], CreatedAt: sqldb.Micros(token.CreatedAt), ExpiresAt: sqldb.Micros(token.ExpiresAt),
			UsedAt: sqldb.NullMicros(token.UsedAt),
		}
		created, err := session.Change(ctx, session.NewInsert().Model(&row).On("CONFLICT DO NOTHING"))
		if err == nil && created == 0 {
			err = tokenError(token.ID, expense.ErrExists)
		}
		return err
	})
}

func (a accountStore) Token(ctx context.Context, account, id uuid.UUID) (accounts.Token, error) {
	session := a.db.Single()
	query := session.NewSelect().Where("owner = ? AND id = ?", account.String(), sqldb.UUID(id))
	return sqldb.FindOne(ctx, session, query, (*tokenRow).token, tokenError(id, expense.ErrNotFound))
}

func (a accountStore) Tokens(ctx context.Context, account uuid.UUID) ([]accounts.Token, error) {
	session := a.db.Single()
	query := session.NewSelect().Where("owner = ?", account.String()).Order("id")
	return sqldb.FindAll(ctx, session, query, (*tokenRow).token)
}

func (a accountStore) RecordTokenUse(ctx context.Context, account, id uuid.UUID, at time.Time) error {
	return a.change(ctx, tokenError(id, expense.ErrNotFound), func(db bun.IDB) sqldb.Execer {
		return db.NewUpdate().Model((*tokenRow)(nil)).Set("used_at = ?", sqldb.Micros(at)).
			Where("owner = ? AND id = ?", account.String(), sqldb.UUID(id))
	})
}

func (a accountStore) DeleteToken(ctx context.Context, account, id uuid.UUID) error {
	return a.change(ctx, tokenError(id, expense.ErrNotFound), func(db bun.IDB) sqldb.Execer {
		return db.NewDelete().Model((*tokenRow)(nil)).Where("owner = ? AND id = ?", account.String(), sqldb.UUID(id))
	})
}

// A failureRow counts the failed attempts to sign in under a key.
type failureRow struct {
	bun.BaseModel `bun:"table:spendwise_failures,alias:f"`

	Key    []byte `bun:",pk"` // the hash of an e-mail address or of a network address
	Count  int64
	LastAt int64
}

func (a accountStore) Failures(
	ctx context.Context, keys ...accounts.SecretHash,
) (map[accounts.SecretHash]accounts.Failures, error) {
	found := make(map[accounts.SecretHash]accounts.Failures)
	if len(keys) == 0 {
		return found, nil
	}
	list := make([][]byte, len(keys))
	for i := range keys {
		list[i] = keys[i][:]
	}
	session := a.db.Single()
	var rows []failureRow
	if _, err := session.Find(ctx, session.NewSelect().Model(&rows).Where("key IN (?)", bun.List(list))); err != nil {
		return nil, err
	}
	var d sqldb.Decoder
	for _, row := range rows {
		found[hash(&d, row.Key)] = accounts.Failures{Count: int(row.Count), Last: sqldb.FromMicros(row.LastAt)}
	}
	return found, d.Err
}

func (a accountStore) RecordFailure(ctx context.Context, at, quiet time.Time, keys ...accounts.SecretHash) error {
	// The keys are locked in one order, so that no two transactions wait for each other.
	ordered := slices.SortedFunc(slices.Values(keys),
		func(x, y accounts.SecretHash) int { return bytes.Compare(x[:], y[:]) })
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		for _, key := range ordered {
			row := failureRow{Key: key[:], Count: 1, LastAt: sqldb.Micros(at)}
			_, err := session.Change(ctx, session.NewInsert().Model(&row).On("CONFLICT (key) DO UPDATE").
				Set("last_at = excluded.last_at").
				Set("count = CASE WHEN f.last_at < ? THEN 1 ELSE f.count + 1 END", sqldb.Micros(quiet)))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (a accountStore) ClearFailures(ctx context.Context, key accounts.SecretHash) error {
	return a.change(ctx, nil, func(db bun.IDB) sqldb.Execer {
		return db.NewDelete().Model((*failureRow)(nil)).Where("key = ?", key[:])
	})
}
