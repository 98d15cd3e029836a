package sqlstore

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/spendwise/spendwise/store/accounts"
)

// Failures asks for each key by itself: there are two at most, an account's and an address's.
func (a accountStore) Failures(
	ctx context.Context, keys ...accounts.SecretHash,
) (map[accounts.SecretHash]accounts.Failures, error) {
	found := make(map[accounts.SecretHash]accounts.Failures)
	for _, key := range keys {
		err := a.store.outside().each(ctx, 2, func(r *row) {
			found[key] = accounts.Failures{Count: int(r.int(0)), Last: r.instant(1)}
		}, `SELECT f.count, f.last_at FROM spendwise_failures f WHERE f.key = $1`, key[:])
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (a accountStore) RecordFailure(ctx context.Context, at, quiet time.Time, keys ...accounts.SecretHash) error {
	// In one order, so that no two transactions wait for each other.
	ordered := slices.SortedFunc(slices.Values(keys),
		func(x, y accounts.SecretHash) int { return bytes.Compare(x[:], y[:]) })
	return a.store.atomically(ctx, func(session *session) error {
		for _, key := range ordered {
			_, err := session.exec(ctx, `INSERT INTO spendwise_failures (key, count, last_at) VALUES ($1, 1, $2)
				ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at,
				count = CASE WHEN spendwise_failures.last_at < $3 THEN 1 ELSE spendwise_failures.count + 1 END`,
				key[:], at.UnixMicro(), quiet.UnixMicro())
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (a accountStore) ClearFailures(ctx context.Context, key accounts.SecretHash) error {
	return a.alter(ctx, nil, `DELETE FROM spendwise_failures WHERE key = $1`, key[:])
}
