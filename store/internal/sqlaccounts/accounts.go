// Package sqlaccounts implements [github.com/spendwise/spendwise/store/accounts] for all SQL engines, on package sqldb.
// Each table has a model; the statements are plain queries of bun.
package sqlaccounts

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// An accountStore implements [accounts.Store]. The rows of an account carry the owner of its ledger, so that they can
// be distributed like the ledger.
type accountStore struct{ db *sqldb.DB }

// chunkRows is the number of accounts that a statement reads.
const chunkRows = 1000

// New returns the accounts in a database.
func New(db *sqldb.DB) accounts.Store { return accountStore{db: db} }

// An accountRow is a row of the table of accounts.
type accountRow struct {
	bun.BaseModel `bun:"table:spendwise_accounts,alias:a"`

	Owner                         string `bun:",pk"` // the text of the account's id
	Email, EmailKey, PasswordHash string
	CreatedAt                     int64
}

// An emailRow reserves an e-mail address. It has a table of its own, because an address is unique across owners.
type emailRow struct {
	bun.BaseModel `bun:"table:spendwise_emails,alias:e"`

	EmailKey string `bun:",pk"` // the folded address
	Owner    string
}

// A deviceRow is a row of the table of devices.
type deviceRow struct {
	bun.BaseModel `bun:"table:spendwise_devices,alias:d"`

	Owner                                     string     `bun:",pk"`
	ID                                        sqldb.UUID `bun:"id,pk,type:uuid"`
	Name                                      string
	CreatedAt, SeenAt                         int64
	EndedAt                                   sql.Null[int64]
	Family, CurrentToken, PreviousToken, Salt []byte
	RotatedAt, ExpiresAt                      int64
}

// An erasureRow is an account that was deleted and whose ledger may still exist.
type erasureRow struct {
	bun.BaseModel `bun:"table:spendwise_erasures,alias:e"`

	Owner    string `bun:",pk"`
	ErasedAt int64
}

// A keyRow is a key that signs tokens.
type keyRow struct {
	bun.BaseModel `bun:"table:spendwise_keys,alias:k"`

	ID                   sqldb.UUID `bun:"id,pk,type:uuid"`
	Serial               int64
	PublicKey, SealedKey []byte
	Stage                string
	CreatedAt, StagedAt  int64
}

func (row *accountRow) account() (accounts.Account, error) {
	id, err := uuid.Parse(row.Owner)
	return accounts.Account{
		ID: id, Email: row.Email, PasswordHash: row.PasswordHash, CreatedAt: sqldb.FromMicros(row.CreatedAt),
	}, err
}

func newDeviceRow(device accounts.Device) deviceRow {
	refresh := device.Refresh
	return deviceRow{
		Owner: device.Account.String(), ID: sqldb.UUID(device.ID), Name: device.Name,
		CreatedAt: sqldb.Micros(device.CreatedAt),
		SeenAt:    sqldb.Micros(device.SeenAt), EndedAt: sqldb.NullMicros(device.EndedAt), Family: refresh.Family[:],
		CurrentToken: refresh.Current[:], PreviousToken: refresh.Previous[:], Salt: refresh.Salt[:],
		RotatedAt: sqldb.Micros(refresh.RotatedAt), ExpiresAt: sqldb.Micros(refresh.ExpiresAt),
	}
}

func (row *deviceRow) device() (accounts.Device, error) {
	var d sqldb.Decoder
	account, err := uuid.Parse(row.Owner)
	d.Keep(err)
	return accounts.Device{
		Account: account, ID: uuid.UUID(row.ID), Name: row.Name, CreatedAt: sqldb.FromMicros(row.CreatedAt),
		SeenAt: sqldb.FromMicros(row.SeenAt), EndedAt: sqldb.FromNullMicros(row.EndedAt),
		Refresh: accounts.RefreshTokens{
			Family: hash(&d, row.Family), Current: hash(&d, row.CurrentToken), Previous: hash(&d, row.PreviousToken),
			Salt: hash(&d, row.Salt), RotatedAt: sqldb.FromMicros(row.RotatedAt), ExpiresAt: sqldb.FromMicros(row.ExpiresAt),
		},
	}, d.Err
}

func hash(d *sqldb.Decoder, b []byte) (hash accounts.SecretHash) {
	if copy(hash[:], b) != len(hash) || len(b) != len(hash) {
		d.Keep(fmt.Errorf("a hash of %d bytes, not %d", len(b), len(hash)))
	}
	return hash
}

func accountError(id uuid.UUID, err error) error { return fmt.Errorf("account %s: %w", id, err) }

func deviceError(id uuid.UUID, err error) error { return fmt.Errorf("device %s: %w", id, err) }

func emailError(err error) error { return fmt.Errorf("account of this e-mail address: %w", err) }

// change runs one statement in a transaction. It returns none if the statement changed no row.
func (a accountStore) change(
	ctx context.Context, none error, build func(bun.IDB) sqldb.Execer,
) error {
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		changed, err := session.Change(ctx, build(session))
		if err == nil && changed == 0 {
			err = none
		}
		return err
	})
}

func (a accountStore) CreateAccount(ctx context.Context, account accounts.Account) error {
	key := accounts.EmailKey(account.Email)
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		if err := reserveEmail(ctx, session, key, account.ID); err != nil {
			return err
		}
		row := accountRow{
			Owner: account.ID.String(), Email: account.Email, EmailKey: key, PasswordHash: account.PasswordHash,
			CreatedAt: sqldb.Micros(account.CreatedAt),
		}
		created, err := session.Change(ctx, session.NewInsert().Model(&row).On("CONFLICT DO NOTHING"))
		if err == nil && created == 0 {
			err = accountError(account.ID, expense.ErrExists)
		}
		return err
	})
}

func reserveEmail(ctx context.Context, session *sqldb.Session, key string, account uuid.UUID) error {
	row := emailRow{EmailKey: key, Owner: account.String()}
	reserved, err := session.Change(ctx, session.NewInsert().Model(&row).On("CONFLICT DO NOTHING"))
	if err == nil && reserved == 0 {
		err = emailError(expense.ErrExists)
	}
	return err
}

func (a accountStore) Account(ctx context.Context, id uuid.UUID) (accounts.Account, error) {
	row, err := a.row(ctx, a.db.Single(), id, false)
	if err != nil {
		return accounts.Account{}, err
	}
	return row.account()
}

// row returns the row of an account. If lock is true, it locks the row until the transaction ends.
func (a accountStore) row(ctx context.Context, session *sqldb.Session, id uuid.UUID, lock bool) (accountRow, error) {
	var row accountRow
	query := session.NewSelect().Model(&row).Where("a.owner = ?", id.String())
	if lock {
		query = a.db.Dialect.Locking(query)
	}
	found, err := session.Find(ctx, query)
	if err == nil && !found {
		err = accountError(id, expense.ErrNotFound)
	}
	return row, err
}

func (a accountStore) AccountByEmail(ctx context.Context, email string) (accounts.Account, error) {
	key := accounts.EmailKey(email)
	if !sqldb.Storable(key) {
		return accounts.Account{}, emailError(expense.ErrNotFound)
	}
	session := a.db.Single()
	query := session.NewSelect().Join("JOIN spendwise_emails AS e ON e.owner = a.owner").Where("e.email_key = ?", key)
	return sqldb.FindOne(ctx, session, query, (*accountRow).account, emailError(expense.ErrNotFound))
}

// Accounts implements [accounts.Store]. It reads in chunks and keeps no rows open while it yields.
func (a accountStore) Accounts(ctx context.Context) iter.Seq2[accounts.Account, error] {
	return func(yield func(accounts.Account, error) bool) {
		after := ""
		for {
			session := a.db.Single()
			var rows []accountRow
			_, err := session.Find(ctx, session.NewSelect().Model(&rows).
				Join("JOIN spendwise_emails AS e ON e.owner = a.owner").Where("e.email_key > ?", after).
				Order("e.email_key").Limit(chunkRows))
			if err != nil {
				yield(accounts.Account{}, err)
				return
			}
			for i := range rows {
				// The stored key, because a newer Unicode version may fold the address to another one.
				after = rows[i].EmailKey
				account, err := rows[i].account()
				if !yield(account, err) || err != nil {
					return
				}
			}
			if len(rows) < chunkRows {
				return
			}
		}
	}
}

func (a accountStore) RehashPassword(ctx context.Context, account uuid.UUID, from, to string) error {
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		return a.replaceHash(ctx, session, account, from, to)
	})
}

func (a accountStore) SetPassword(
	ctx context.Context, account uuid.UUID, from, to string, keep uuid.UUID, at time.Time,
) error {
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		if err := a.replaceHash(ctx, session, account, from, to); err != nil {
			return err
		}
		_, err := session.Change(ctx, session.NewUpdate().Model((*deviceRow)(nil)).Set("ended_at = ?", sqldb.Micros(at)).
			Where("owner = ? AND id <> ? AND ended_at IS NULL", account.String(), sqldb.UUID(keep)))
		return err
	})
}

func (a accountStore) replaceHash(
	ctx context.Context, session *sqldb.Session, account uuid.UUID, from, to string,
) error {
	replaced, err := session.Change(ctx, session.NewUpdate().Model((*accountRow)(nil)).Set("password_hash = ?", to).
		Where("owner = ? AND password_hash = ?", account.String(), from))
	if err != nil || replaced == 1 {
		return err
	}
	if _, err := a.row(ctx, session, account, false); err != nil {
		return err
	}
	return accountError(account, fmt.Errorf("password: %w", expense.ErrStale))
}

// lock locks the row of an account, and so its devices and tokens, until the transaction ends. It returns ErrStale if
// the account has another password hash.
func (a accountStore) lock(
	ctx context.Context, session *sqldb.Session, id uuid.UUID, passwordHash string,
) (accountRow, error) {
	row, err := a.row(ctx, session, id, true)
	if err == nil && row.PasswordHash != passwordHash {
		err = accountError(id, fmt.Errorf("password: %w", expense.ErrStale))
	}
	return row, err
}

func (a accountStore) SetEmail(ctx context.Context, id uuid.UUID, passwordHash, email string) error {
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		row, err := a.lock(ctx, session, id, passwordHash)
		if err != nil {
			return err
		}
		old := row.EmailKey
		row.Email, row.EmailKey = email, accounts.EmailKey(email)
		if row.EmailKey != old {
			if err := reserveEmail(ctx, session, row.EmailKey, id); err != nil {
				return err
			}
			if err := releaseEmail(ctx, session, old); err != nil {
				return err
			}
		}
		_, err = session.Change(ctx, session.NewUpdate().Model(&row).WherePK().Column("email", "email_key"))
		return err
	})
}

func releaseEmail(ctx context.Context, session *sqldb.Session, key string) error {
	_, err := session.Change(ctx, session.NewDelete().Model((*emailRow)(nil)).Where("email_key = ?", key))
	return err
}

func (a accountStore) DeleteAccount(ctx context.Context, id uuid.UUID, at time.Time) error {
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		row, err := a.row(ctx, session, id, true)
		if err != nil {
			return err
		}
		for _, table := range []string{"spendwise_devices", "spendwise_tokens", "spendwise_accounts"} {
			if _, err := session.Change(ctx, session.NewDelete().Table(table).Where("owner = ?", row.Owner)); err != nil {
				return err
			}
		}
		erasure := erasureRow{Owner: row.Owner, ErasedAt: sqldb.Micros(at)}
		_, err = session.Change(ctx, session.NewInsert().Model(&erasure).On("CONFLICT (owner) DO UPDATE"))
		if err != nil {
			return err
		}
		return releaseEmail(ctx, session, row.EmailKey)
	})
}

func (a accountStore) Erasures(ctx context.Context) ([]accounts.Erasure, error) {
	session := a.db.Single()
	query := session.NewSelect().Order("owner")
	return sqldb.FindAll(ctx, session, query, func(row *erasureRow) (accounts.Erasure, error) {
		account, err := uuid.Parse(row.Owner)
		return accounts.Erasure{Account: account, At: sqldb.FromMicros(row.ErasedAt)}, err
	})
}

func (a accountStore) EndErasure(ctx context.Context, account uuid.UUID) error {
	return a.change(ctx, nil, func(db bun.IDB) sqldb.Execer {
		return db.NewDelete().Model((*erasureRow)(nil)).Where("owner = ?", account.String())
	})
}

func (a accountStore) CreateDevice(ctx context.Context, device accounts.Device, passwordHash string) error {
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		if _, err := a.lock(ctx, session, device.Account, passwordHash); err != nil {
			return err
		}
		row := newDeviceRow(device)
		created, err := session.Change(ctx, session.NewInsert().Model(&row).On("CONFLICT DO NOTHING"))
		if err == nil && created == 0 {
			err = deviceError(device.ID, expense.ErrExists)
		}
		return err
	})
}

func (a accountStore) Device(ctx context.Context, account, id uuid.UUID) (accounts.Device, error) {
	return findDevice(ctx, a.db.Single(), account, id)
}

func findDevice(ctx context.Context, session *sqldb.Session, account, id uuid.UUID) (accounts.Device, error) {
	query := session.NewSelect().Where("owner = ? AND id = ?", account.String(), sqldb.UUID(id))
	return sqldb.FindOne(ctx, session, query, (*deviceRow).device, deviceError(id, expense.ErrNotFound))
}

func (a accountStore) Devices(ctx context.Context, account uuid.UUID) ([]accounts.Device, error) {
	session := a.db.Single()
	query := session.NewSelect().Where("owner = ?", account.String()).Order("id")
	return sqldb.FindAll(ctx, session, query, (*deviceRow).device)
}

func (a accountStore) RotateRefresh(
	ctx context.Context, account, device uuid.UUID, from accounts.SecretHash, to accounts.RefreshTokens, seen time.Time,
) error {
	row := newDeviceRow(accounts.Device{Account: account, ID: device, SeenAt: seen, Refresh: to})
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		rotated, err := session.Change(ctx, session.NewUpdate().Model(&row).WherePK().
			Column("family", "current_token", "previous_token", "salt", "rotated_at", "expires_at", "seen_at").
			Where("current_token = ? AND ended_at IS NULL", from[:]))
		if err != nil || rotated == 1 {
			return err
		}
		switch stored, err := findDevice(ctx, session, account, device); {
		case err != nil:
			return err
		case stored.Ended():
			return deviceError(device, expense.ErrGone)
		default:
			return deviceError(device, fmt.Errorf("refresh token: %w", expense.ErrStale))
		}
	})
}

func (a accountStore) EndDevice(ctx context.Context, account, device uuid.UUID, at time.Time) error {
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		ended, err := session.Change(ctx, session.NewUpdate().Model((*deviceRow)(nil)).Set("ended_at = ?", sqldb.Micros(at)).
			Where("owner = ? AND id = ? AND ended_at IS NULL", account.String(), sqldb.UUID(device)))
		if err != nil || ended == 1 {
			return err
		}
		_, err = findDevice(ctx, session, account, device)
		return err
	})
}

func (a accountStore) Purge(ctx context.Context, before, quiet time.Time) error {
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		for _, expired := range []struct {
			table, column string
			before        time.Time
		}{
			{"spendwise_devices", "ended_at", before},
			{"spendwise_devices", "expires_at", before},
			{"spendwise_tokens", "expires_at", before},
			{"spendwise_failures", "last_at", quiet},
		} {
			_, err := session.Change(ctx, session.NewDelete().Table(expired.table).
				Where("? < ?", bun.Ident(expired.column), sqldb.Micros(expired.before)))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func keyError(id uuid.UUID, err error) error { return fmt.Errorf("signing key %s: %w", id, err) }

func (a accountStore) SigningKeys(ctx context.Context) ([]accounts.SigningKey, error) {
	session := a.db.Single()
	query := session.NewSelect().Order("serial")
	return sqldb.FindAll(ctx, session, query, func(row *keyRow) (accounts.SigningKey, error) {
		return accounts.SigningKey{
			ID: uuid.UUID(row.ID), Serial: int(row.Serial), Public: row.PublicKey, EncryptedPrivate: row.SealedKey,
			Stage: accounts.KeyStage(row.Stage), CreatedAt: sqldb.FromMicros(row.CreatedAt),
			StagedAt: sqldb.FromMicros(row.StagedAt),
		}, nil
	})
}

func (a accountStore) CreateSigningKey(ctx context.Context, key accounts.SigningKey) error {
	row := keyRow{
		ID: sqldb.UUID(key.ID), Serial: int64(key.Serial), PublicKey: sqldb.NotNull(key.Public),
		SealedKey: sqldb.NotNull(key.EncryptedPrivate), Stage: string(key.Stage), CreatedAt: sqldb.Micros(key.CreatedAt),
		StagedAt: sqldb.Micros(key.StagedAt),
	}
	return a.change(ctx, keyError(key.ID, expense.ErrExists), func(db bun.IDB) sqldb.Execer {
		return db.NewInsert().Model(&row).On("CONFLICT DO NOTHING")
	})
}

func (a accountStore) SetSigningKeyStage(
	ctx context.Context, id uuid.UUID, from, to accounts.KeyStage, at time.Time,
) error {
	return a.db.Atomically(ctx, func(session *sqldb.Session) error {
		changed, err := session.Change(ctx, session.NewUpdate().Model((*keyRow)(nil)).
			Set("stage = ?", string(to)).Set("staged_at = ?", sqldb.Micros(at)).
			Where("id = ? AND stage = ?", sqldb.UUID(id), string(from)))
		if err != nil || changed == 1 {
			return err
		}
		var key keyRow
		switch found, err := session.Find(ctx, session.NewSelect().Model(&key).Where("id = ?", sqldb.UUID(id))); {
		case err != nil:
			return err
		case !found:
			return keyError(id, expense.ErrNotFound)
		default:
			return keyError(id, fmt.Errorf("stage: %w", expense.ErrStale))
		}
	})
}

func (a accountStore) DeleteSigningKey(ctx context.Context, id uuid.UUID) error {
	return a.change(ctx, keyError(id, expense.ErrNotFound), func(db bun.IDB) sqldb.Execer {
		return db.NewDelete().Model((*keyRow)(nil)).Where("id = ?", sqldb.UUID(id))
	})
}
