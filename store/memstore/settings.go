package memstore

import (
	"context"
	"fmt"

	"github.com/spendwise/spendwise/expense"
)

// Settings implements [expense.Reader].
func (r reader) Settings(ctx context.Context) (expense.Settings, error) {
	l, err := r.at(ctx)
	if err != nil {
		return expense.Settings{}, err
	}
	if l.version == 0 {
		return expense.Settings{}, errNoLedger()
	}
	return l.settings, nil
}

func errNoLedger() error { return fmt.Errorf("ledger: %w", expense.ErrNotFound) }

// PutSettings implements [expense.Tx].
func (t *tx) PutSettings(ctx context.Context, settings expense.Settings) (expense.Version, error) {
	return t.write(ctx, func(next *ledger) error {
		switch has := next.settings.Version; {
		case has == 0 && settings.Version != 0:
			return fmt.Errorf("settings: %w", expense.ErrNotFound)
		case has != 0 && settings.Version == 0:
			return fmt.Errorf("settings: %w", expense.ErrExists)
		case has != settings.Version:
			return fmt.Errorf("settings: %w", &expense.StaleError{Current: has})
		}
		if _, ok := next.categories.rows.get(settings.DefaultCategory); !ok {
			return &expense.InvalidError{Field: "default_category_id", Code: "unknown_category",
				Detail: fmt.Sprintf("the ledger holds no category %s; name one that it holds", settings.DefaultCategory)}
		}
		settings.Version = t.next
		next.settings = settings
		return nil
	})
}
