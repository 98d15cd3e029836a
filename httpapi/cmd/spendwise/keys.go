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

// An encryptionKeyFlag sets the key that encrypts the stored signing keys.
type encryptionKeyFlag struct {
	KeyEncryptionKey string `help:"${keyEncryptionKeyHelp}" placeholder:"BASE64"`
}

// keyEncryptionKey returns the key of the flag. Without the flag, it loads the key from the data directory or creates
// it.
func (f *encryptionKeyFlag) keyEncryptionKey(p *process) ([]byte, error) {
	if f.KeyEncryptionKey != "" {
		return auth.ParseKEK(f.KeyEncryptionKey)
	}
	dir, err := dataDir(p.getenv)
	if err != nil {
		return nil, fmt.Errorf("%w; or set --key-encryption-key", err)
	}
	return auth.LoadOrCreateKEK(filepath.Join(dir, "key-encryption-key"))
}

type keysCmd struct {
	Rotate keysRotateCmd `cmd:"" help:"${rotateHelp}"`
	List   keysListCmd   `cmd:"" help:"List the keys: number, id, stage, start of the stage, creation time."`
	Revoke keysRevokeCmd `cmd:"" help:"${revokeHelp}"`
}

type keysRotateCmd struct {
	encryptionKeyFlag
}

// Run publishes the next key, unless one is published already.
func (cmd *keysRotateCmd) Run(ctx context.Context, config *cli, p *process) error {
	kek, err := cmd.keyEncryptionKey(p)
	if err != nil {
		return err
	}
	return config.withDatabase(ctx, p, func(db database) error {
		key, created, err := auth.RotateSigningKey(ctx, db.Accounts(), kek, time.Now())
		if err != nil {
			return err
		}
		state := "published"
		if !created {
			state = "already published:"
		}
		_, err = fmt.Fprintf(p.stdout, "%s %s; servers sign with it from about %s\n",
			state, key.ID, key.StagedAt.Add(auth.DefaultKeyActivationDelay).Format(time.RFC3339))
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
			_, err := fmt.Fprintf(p.stdout, "%d %s %s since %s, created %s\n", key.Serial, key.ID, key.Stage,
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

// Run revokes a key. If servers sign with it, they create another one within 30 seconds.
func (cmd *keysRevokeCmd) Run(ctx context.Context, config *cli, p *process) error {
	id, err := uuid.Parse(cmd.ID)
	if err != nil {
		return fmt.Errorf("%q is not a key id; spendwise keys list prints the ids", cmd.ID)
	}
	return config.withDatabase(ctx, p, func(db database) error {
		err := db.Accounts().DeleteSigningKey(ctx, id)
		if errors.Is(err, expense.ErrNotFound) {
			return fmt.Errorf("key %s does not exist; spendwise keys list prints the ids", id)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "revoked %s; servers reject its tokens within 30 seconds\n", id)
		return err
	})
}
