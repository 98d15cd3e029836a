package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
)

const (
	tokenCells = `t.owner, t.id, t.name, t.scopes, t.secret, t.created_at, t.expires_at, t.used_at`
	tokenWidth = 8
)

func scanToken(r *row) accounts.Token {
	token := accounts.Token{
		Account: r.id(0), ID: r.id(1), Name: r.text(2), Scopes: uint8(r.int(3)), Secret: digest(r, 4),
		CreatedAt: r.instant(5), ExpiresAt: r.instant(6),
	}
	if !r.isNull(7) {
		token.UsedAt = r.instant(7)
	}
	return token
}

func errToken(id uuid.UUID, err error) error { return fmt.Errorf("token %s: %w", id, err) }

func (a accountStore) CreateToken(ctx context.Context, token accounts.Token) error {
	return a.store.atomically(ctx, func(session *session) error {
		if _, _, err := a.lockAccount(ctx, session, token.Account); err != nil {
			return err
		}
		var used any
		if !token.UsedAt.IsZero() {
			used = token.UsedAt.UnixMicro()
		}
		made, err := session.exec(ctx, `INSERT INTO spendwise_tokens (owner, id, name, scopes, secret, created_at, expires_at,
			used_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			token.Account.String(), token.ID.String(), token.Name, int64(token.Scopes), token.Secret[:],
			token.CreatedAt.UnixMicro(), token.ExpiresAt.UnixMicro(), used)
		if err == nil && made == 0 {
			err = errToken(token.ID, expense.ErrExists)
		}
		return err
	})
}

func (a accountStore) Token(ctx context.Context, account, id uuid.UUID) (token accounts.Token, err error) {
	found, err := a.store.outside().one(ctx, tokenWidth, func(r *row) { token = scanToken(r) },
		`SELECT `+tokenCells+` FROM spendwise_tokens t WHERE t.owner = $1 AND t.id = $2`, account.String(), id.String())
	if err == nil && !found {
		err = errToken(id, expense.ErrNotFound)
	}
	return token, err
}

func (a accountStore) Tokens(ctx context.Context, account uuid.UUID) (tokens []accounts.Token, err error) {
	err = a.store.outside().each(ctx, tokenWidth, func(r *row) { tokens = append(tokens, scanToken(r)) },
		`SELECT `+tokenCells+` FROM spendwise_tokens t WHERE t.owner = $1 ORDER BY t.id`, account.String())
	return tokens, err
}

func (a accountStore) RecordTokenUse(ctx context.Context, account, id uuid.UUID, at time.Time) error {
	return a.alter(ctx, errToken(id, expense.ErrNotFound),
		`UPDATE spendwise_tokens SET used_at = $3 WHERE owner = $1 AND id = $2`,
		account.String(), id.String(), at.UnixMicro())
}

func (a accountStore) DeleteToken(ctx context.Context, account, id uuid.UUID) error {
	return a.alter(ctx, errToken(id, expense.ErrNotFound), `DELETE FROM spendwise_tokens WHERE owner = $1 AND id = $2`,
		account.String(), id.String())
}
