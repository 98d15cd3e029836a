package sqlstore

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
)

// accounts keeps accounts beside the ledgers, in tables of its own. An account's rows carry the owner of its ledger, so
// that they are distributed as the ledger is; e-mail addresses, which are unique across owners, have a table keyed by
// them.
type accountStore struct {
	store *Store
}

// Accounts returns the accounts kept in the same database. They have migrations of their own.
func (s *Store) Accounts() accounts.Store { return accountStore{store: s} }

const (
	accountCells = `a.owner, a.email, a.email_key, a.password_hash, a.created_at`
	accountWidth = 5
	deviceCells  = `d.owner, d.id, d.name, d.created_at, d.seen_at, d.ended_at, d.family, d.current_token,
		d.previous_token, d.salt,
		d.rotated_at, d.expires_at`
	deviceWidth = 12
)

func scanAccount(r *row) accounts.Account {
	return accounts.Account{ID: r.id(0), Email: r.text(1), PasswordHash: r.text(3), CreatedAt: r.instant(4)}
}

// emailKey is the key that an account was kept under, which a newer Unicode may fold another way.
func emailKey(r *row) string { return r.text(2) }

func scanDevice(r *row) accounts.Device {
	device := accounts.Device{
		Account: r.id(0), ID: r.id(1), Name: r.text(2), CreatedAt: r.instant(3), SeenAt: r.instant(4),
		Refresh: accounts.RefreshTokens{
			Family: digest(r, 6), Current: digest(r, 7), Previous: digest(r, 8), Salt: digest(r, 9),
			RotatedAt: r.instant(10), ExpiresAt: r.instant(11),
		},
	}
	if !r.isNull(5) {
		device.EndedAt = r.instant(5)
	}
	return device
}

func digest(r *row, i int) (d accounts.SecretHash) {
	if n := copy(d[:], r.bytes(i)); n != len(d) {
		r.wrong(i, "a digest")
	}
	return d
}

func errAccount(id uuid.UUID, err error) error { return fmt.Errorf("account %s: %w", id, err) }

func errDevice(id uuid.UUID, err error) error { return fmt.Errorf("device %s: %w", id, err) }

func errEmail(err error) error { return fmt.Errorf("account of this e-mail address: %w", err) }

func (a accountStore) CreateAccount(ctx context.Context, account accounts.Account) error {
	key := accounts.EmailKey(account.Email)
	return a.store.atomically(ctx, func(session *session) error {
		made, err := session.exec(ctx, `INSERT INTO spendwise_emails (email_key, owner) VALUES ($1, $2)
			ON CONFLICT DO NOTHING`,
			key, account.ID.String())
		if err == nil && made == 0 {
			err = errEmail(expense.ErrExists)
		}
		if err != nil {
			return err
		}
		made, err = session.exec(ctx, `INSERT INTO spendwise_accounts (owner, email, email_key, password_hash, created_at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			account.ID.String(), account.Email, key, account.PasswordHash, account.CreatedAt.UnixMicro())
		if err == nil && made == 0 {
			err = errAccount(account.ID, expense.ErrExists)
		}
		return err
	})
}

func (a accountStore) Account(ctx context.Context, id uuid.UUID) (account accounts.Account, err error) {
	found, err := a.store.outside().one(ctx, accountWidth, func(r *row) { account = scanAccount(r) },
		`SELECT `+accountCells+` FROM spendwise_accounts a WHERE a.owner = $1`, id.String())
	if err == nil && !found {
		err = errAccount(id, expense.ErrNotFound)
	}
	return account, err
}

func (a accountStore) AccountByEmail(ctx context.Context, email string) (account accounts.Account, err error) {
	key := accounts.EmailKey(email)
	if !storable(key) {
		return account, errEmail(expense.ErrNotFound)
	}
	found, err := a.store.outside().one(ctx, accountWidth, func(r *row) { account = scanAccount(r) },
		`SELECT `+accountCells+` FROM spendwise_emails e JOIN spendwise_accounts a ON a.owner = e.owner
		WHERE e.email_key = $1`, key)
	if err == nil && !found {
		err = errEmail(expense.ErrNotFound)
	}
	return account, err
}

// Accounts reads in chunks, each by a statement that goes on after the last row; its rows are closed before one is
// yielded.
func (a accountStore) Accounts(ctx context.Context) iter.Seq2[accounts.Account, error] {
	return func(yield func(accounts.Account, error) bool) {
		last := ""
		for {
			var chunk []accounts.Account
			after := last
			err := a.store.outside().each(ctx, accountWidth,
				func(r *row) { chunk, last = append(chunk, scanAccount(r)), emailKey(r) },
				`SELECT `+accountCells+` FROM spendwise_emails e JOIN spendwise_accounts a ON a.owner = e.owner
				WHERE e.email_key > $1 ORDER BY e.email_key LIMIT $2`, after, int64(chunkRows))
			if err != nil {
				yield(accounts.Account{}, err)
				return
			}
			for _, account := range chunk {
				if !yield(account, nil) {
					return
				}
			}
			if len(chunk) < chunkRows {
				return
			}
		}
	}
}

func (a accountStore) RehashPassword(ctx context.Context, account uuid.UUID, from, to string) error {
	return a.store.atomically(ctx, func(session *session) error { return replaceHash(ctx, session, account, from, to) })
}

func (a accountStore) SetPassword(
	ctx context.Context, account uuid.UUID, from, to string, keep uuid.UUID, at time.Time,
) error {
	return a.store.atomically(ctx, func(session *session) error {
		if err := replaceHash(ctx, session, account, from, to); err != nil {
			return err
		}
		_, err := session.exec(ctx, `UPDATE spendwise_devices SET ended_at = $3 WHERE owner = $1 AND id <> $2
			AND ended_at IS NULL`,
			account.String(), keep.String(), at.UnixMicro())
		return err
	})
}

func replaceHash(ctx context.Context, session *session, account uuid.UUID, from, to string) error {
	replaced, err := session.exec(ctx, `UPDATE spendwise_accounts SET password_hash = $3 WHERE owner = $1
		AND password_hash = $2`,
		account.String(), from, to)
	if err != nil || replaced == 1 {
		return err
	}
	found, err := session.one(ctx, 1, func(*row) {}, `SELECT 1 FROM spendwise_accounts WHERE owner = $1`, account.String())
	switch {
	case err != nil:
		return err
	case !found:
		return errAccount(account, expense.ErrNotFound)
	default:
		return errAccount(account, fmt.Errorf("password: %w", expense.ErrStale))
	}
}

// lockAccount reads an account and keeps everyone else from changing it, or its set of devices, until the transaction
// ends.
func (a accountStore) lockAccount(
	ctx context.Context, session *session, id uuid.UUID,
) (account accounts.Account, key string, err error) {
	found, err := session.one(ctx, accountWidth, func(r *row) { account, key = scanAccount(r), emailKey(r) },
		`SELECT `+accountCells+` FROM spendwise_accounts a WHERE a.owner = $1`+a.store.dialect.Lock, id.String())
	if err == nil && !found {
		err = errAccount(id, expense.ErrNotFound)
	}
	return account, key, err
}

func (a accountStore) SetEmail(ctx context.Context, id uuid.UUID, passwordHash, email string) error {
	key := accounts.EmailKey(email)
	return a.store.atomically(ctx, func(session *session) error {
		account, old, err := a.lockAccount(ctx, session, id)
		if err != nil {
			return err
		}
		if account.PasswordHash != passwordHash {
			return errAccount(id, fmt.Errorf("password: %w", expense.ErrStale))
		}
		if key != old {
			made, err := session.exec(ctx, `INSERT INTO spendwise_emails (email_key, owner) VALUES ($1, $2)
				ON CONFLICT DO NOTHING`,
				key, id.String())
			if err == nil && made == 0 {
				err = errEmail(expense.ErrExists)
			}
			if err != nil {
				return err
			}
			if _, err := session.exec(ctx, `DELETE FROM spendwise_emails WHERE email_key = $1`, old); err != nil {
				return err
			}
		}
		_, err = session.exec(ctx, `UPDATE spendwise_accounts SET email = $2, email_key = $3 WHERE owner = $1`, id.String(),
			email, key)
		return err
	})
}

func (a accountStore) DeleteAccount(ctx context.Context, id uuid.UUID, at time.Time) error {
	return a.store.atomically(ctx, func(session *session) error {
		_, key, err := a.lockAccount(ctx, session, id)
		if err != nil {
			return err
		}
		for _, text := range []string{
			`DELETE FROM spendwise_devices WHERE owner = $1`,
			`DELETE FROM spendwise_tokens WHERE owner = $1`,
			`DELETE FROM spendwise_accounts WHERE owner = $1`,
		} {
			if _, err := session.exec(ctx, text, id.String()); err != nil {
				return err
			}
		}
		if _, err := session.exec(ctx, `INSERT INTO spendwise_erasures (owner, erased_at) VALUES ($1, $2)
			ON CONFLICT (owner) DO UPDATE SET erased_at = excluded.erased_at`, id.String(), at.UnixMicro()); err != nil {
			return err
		}
		_, err = session.exec(ctx, `DELETE FROM spendwise_emails WHERE email_key = $1`, key)
		return err
	})
}

func (a accountStore) Erasures(ctx context.Context) (erasures []accounts.Erasure, err error) {
	err = a.store.outside().each(ctx, 2, func(r *row) {
		erasures = append(erasures, accounts.Erasure{Account: r.id(0), At: r.instant(1)})
	}, `SELECT e.owner, e.erased_at FROM spendwise_erasures e ORDER BY e.owner`)
	return erasures, err
}

func (a accountStore) EndErasure(ctx context.Context, account uuid.UUID) error {
	return a.alter(ctx, nil, `DELETE FROM spendwise_erasures WHERE owner = $1`, account.String())
}

// alter runs one statement; none is the error where it changed nothing, nil: that is none.
func (a accountStore) alter(ctx context.Context, none error, text string, args ...any) error {
	return a.store.atomically(ctx, func(session *session) error {
		changed, err := session.exec(ctx, text, args...)
		if err == nil && changed == 0 {
			err = none
		}
		return err
	})
}

func (a accountStore) CreateDevice(ctx context.Context, device accounts.Device, passwordHash string) error {
	return a.store.atomically(ctx, func(session *session) error {
		account, _, err := a.lockAccount(ctx, session, device.Account)
		if err != nil {
			return err
		}
		if account.PasswordHash != passwordHash {
			return errAccount(account.ID, fmt.Errorf("password: %w", expense.ErrStale))
		}
		var ended any
		if device.Ended() {
			ended = device.EndedAt.UnixMicro()
		}
		refresh := device.Refresh
		made, err := session.exec(ctx, `INSERT INTO spendwise_devices (owner, id, name, created_at, seen_at, ended_at, family,
			current_token,
			previous_token, salt, rotated_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT DO NOTHING`,
			device.Account.String(), device.ID.String(), device.Name, device.CreatedAt.UnixMicro(), device.SeenAt.UnixMicro(),
			ended,
			refresh.Family[:], refresh.Current[:], refresh.Previous[:], refresh.Salt[:],
			refresh.RotatedAt.UnixMicro(), refresh.ExpiresAt.UnixMicro())
		if err == nil && made == 0 {
			err = errDevice(device.ID, expense.ErrExists)
		}
		return err
	})
}

func (a accountStore) Device(ctx context.Context, account, id uuid.UUID) (accounts.Device, error) {
	return readDevice(ctx, a.store.outside(), account, id)
}

func readDevice(ctx context.Context, session *session, account, id uuid.UUID) (device accounts.Device, err error) {
	found, err := session.one(ctx, deviceWidth, func(r *row) { device = scanDevice(r) },
		`SELECT `+deviceCells+` FROM spendwise_devices d WHERE d.owner = $1 AND d.id = $2`, account.String(), id.String())
	if err == nil && !found {
		err = errDevice(id, expense.ErrNotFound)
	}
	return device, err
}

func (a accountStore) Devices(ctx context.Context, account uuid.UUID) (devices []accounts.Device, err error) {
	err = a.store.outside().each(ctx, deviceWidth, func(r *row) { devices = append(devices, scanDevice(r)) },
		`SELECT `+deviceCells+` FROM spendwise_devices d WHERE d.owner = $1 ORDER BY d.id`, account.String())
	return devices, err
}

func (a accountStore) RotateRefresh(
	ctx context.Context, account, device uuid.UUID, from accounts.SecretHash, to accounts.RefreshTokens, seen time.Time,
) error {
	return a.store.atomically(ctx, func(session *session) error {
		rotated, err := session.exec(ctx, `UPDATE spendwise_devices
			SET family = $4, current_token = $5, previous_token = $6, salt = $7,
			rotated_at = $8, expires_at = $9, seen_at = $10 WHERE owner = $1 AND id = $2 AND current_token = $3
			AND ended_at IS NULL`,
			account.String(), device.String(), from[:], to.Family[:], to.Current[:], to.Previous[:], to.Salt[:],
			to.RotatedAt.UnixMicro(), to.ExpiresAt.UnixMicro(), seen.UnixMicro())
		if err != nil || rotated == 1 {
			return err
		}
		kept, err := readDevice(ctx, session, account, device)
		switch {
		case err != nil:
			return err
		case kept.Ended():
			return errDevice(device, expense.ErrGone)
		default:
			return errDevice(device, fmt.Errorf("refresh token: %w", expense.ErrStale))
		}
	})
}

func (a accountStore) EndDevice(ctx context.Context, account, device uuid.UUID, at time.Time) error {
	return a.store.atomically(ctx, func(session *session) error {
		ended, err := session.exec(ctx, `UPDATE spendwise_devices SET ended_at = $3 WHERE owner = $1 AND id = $2
			AND ended_at IS NULL`,
			account.String(), device.String(), at.UnixMicro())
		if err != nil || ended == 1 {
			return err
		}
		_, err = readDevice(ctx, session, account, device)
		return err
	})
}

func (a accountStore) Purge(ctx context.Context, before, quiet time.Time) error {
	return a.store.atomically(ctx, func(session *session) error {
		for _, purge := range []struct {
			text   string
			before time.Time
		}{
			{`DELETE FROM spendwise_devices WHERE ended_at < $1`, before},
			{`DELETE FROM spendwise_devices WHERE expires_at < $1`, before},
			{`DELETE FROM spendwise_tokens WHERE expires_at < $1`, before},
			{`DELETE FROM spendwise_failures WHERE last_at < $1`, quiet},
		} {
			if _, err := session.exec(ctx, purge.text, purge.before.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	})
}

const (
	keyCells = `k.id, k.serial, k.public_key, k.sealed_key, k.stage, k.created_at, k.staged_at`
	keyWidth = 7
)

func errKey(id uuid.UUID, err error) error { return fmt.Errorf("signing key %s: %w", id, err) }

func (a accountStore) SigningKeys(ctx context.Context) (keys []accounts.SigningKey, err error) {
	err = a.store.outside().each(ctx, keyWidth, func(r *row) {
		keys = append(keys, accounts.SigningKey{
			ID: r.id(0), Serial: int(r.int(1)), Public: r.bytes(2), EncryptedPrivate: r.bytes(3),
			Stage:     accounts.KeyStage(r.text(4)),
			CreatedAt: r.instant(5), StagedAt: r.instant(6),
		})
	}, `SELECT `+keyCells+` FROM spendwise_keys k ORDER BY k.serial`)
	return keys, err
}

func (a accountStore) CreateSigningKey(ctx context.Context, key accounts.SigningKey) error {
	return a.alter(ctx, errKey(key.ID, expense.ErrExists),
		`INSERT INTO spendwise_keys (id, serial, public_key, sealed_key, stage,
		created_at, staged_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		key.ID.String(), int64(key.Serial), blob(key.Public), blob(key.EncryptedPrivate), string(key.Stage),
		key.CreatedAt.UnixMicro(), key.StagedAt.UnixMicro())
}

func (a accountStore) SetSigningKeyStage(
	ctx context.Context, id uuid.UUID, from, to accounts.KeyStage, at time.Time,
) error {
	return a.store.atomically(ctx, func(session *session) error {
		moved, err := session.exec(ctx, `UPDATE spendwise_keys SET stage = $3, staged_at = $4 WHERE id = $1 AND stage = $2`,
			id.String(), string(from), string(to), at.UnixMicro())
		if err != nil || moved == 1 {
			return err
		}
		found, err := session.one(ctx, 1, func(*row) {}, `SELECT 1 FROM spendwise_keys WHERE id = $1`, id.String())
		switch {
		case err != nil:
			return err
		case !found:
			return errKey(id, expense.ErrNotFound)
		default:
			return errKey(id, fmt.Errorf("stage: %w", expense.ErrStale))
		}
	})
}

func (a accountStore) DeleteSigningKey(ctx context.Context, id uuid.UUID) error {
	return a.alter(ctx, errKey(id, expense.ErrNotFound), `DELETE FROM spendwise_keys WHERE id = $1`, id.String())
}
