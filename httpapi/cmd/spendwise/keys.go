package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
)

// A sealFlag names the key that seals the signing keys.
type sealFlag struct {
	KeyEncryptionKey string `help:"32 bytes in base64 that seal the signing keys. Default: made once in the user's data directory." placeholder:"BASE64"`
}

func (f *sealFlag) keyEncryptionKey(p *process) ([]byte, error) {
	if f.KeyEncryptionKey != "" {
		return auth.ParseKEK(f.KeyEncryptionKey)
	}
	dir, err := dataDir(p.getenv)
	if err != nil {
		return nil, fmt.Errorf("%w; or give --key-encryption-key", err)
	}
	return auth.LoadOrCreateKEK(filepath.Join(dir, "key-encryption-key"))
}

type keysCmd struct {
	Rotate keysRotateCmd `cmd:"" help:"Publish the next key that signs access tokens; the servers sign with it ten minutes later, and no token is refused."`
	List   keysListCmd   `cmd:"" help:"List the keys: number, id, stage, since when, when it was made."`
	Revoke keysRevokeCmd `cmd:"" help:"Revoke a key that may be in the wrong hands: the tokens it signed are refused within half a minute, and clients refresh them."`
}

type keysRotateCmd struct {
	sealFlag
}

// Run publishes the next key.
func (cmd *keysRotateCmd) Run(ctx context.Context, config *cli, p *process) error {
	kek, err := cmd.keyEncryptionKey(p)
	if err != nil {
		return err
	}
	return config.withDatabase(ctx, p, func(db database) error {
		key, fresh, err := auth.RotateSigningKey(ctx, db.Accounts(), kek, time.Now())
		if err != nil {
			return err
		}
		did := "published"
		if !fresh {
			did = "is published already:"
		}
		_, err = fmt.Fprintf(p.stdout, "%s %s; the servers sign with it from about %s\n",
			did, key.ID, key.StagedAt.Add(auth.KeyActivationDelay).Format(time.RFC3339))
		return err
	})
}

type keysListCmd struct{}

// Run lists the keys.
func (cmd *keysListCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withDatabase(ctx, p, func(db database) error {
		keys, err := db.Accounts().SigningKeys(ctx)
		if err != nil {
			return err
		}
		for _, key := range keys {
			_, err := fmt.Fprintf(p.stdout, "%d %s %s since %s, made %s\n", key.Serial, key.ID, key.Stage,
				key.StagedAt.Format(time.RFC3339), key.CreatedAt.Format(time.RFC3339))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

type keysRevokeCmd struct {
	ID string `arg:"" help:"The key's id, as spendwise keys list shows it."`
}

// Run revokes a key. A server whose key it was makes another one within half a minute.
func (cmd *keysRevokeCmd) Run(ctx context.Context, config *cli, p *process) error {
	id, err := uuid.Parse(cmd.ID)
	if err != nil {
		return fmt.Errorf("%q is no key's id; spendwise keys list shows them all", cmd.ID)
	}
	return config.withDatabase(ctx, p, func(db database) error {
		err := db.Accounts().DeleteSigningKey(ctx, id)
		if errors.Is(err, expense.ErrNotFound) {
			return fmt.Errorf("there is no key %s; spendwise keys list shows them all", id)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "revoked %s; the tokens it signed are refused within half a minute\n", id)
		return err
	})
}
