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
	return t.write(ctx, 1, func(next *ledger) error {
		switch current := next.settings.Version; {
		case current == 0 && settings.Version != 0:
			return fmt.Errorf("settings: %w", expense.ErrNotFound)
		case current != 0 && settings.Version == 0:
			return fmt.Errorf("settings: %w", expense.ErrExists)
		case current != settings.Version:
			return fmt.Errorf("settings: %w", &expense.StaleError{Current: current})
		}
		if _, ok := next.categories.rows.get(settings.DefaultCategory); !ok {
			return &expense.InvalidError{Field: "default_category_id", Code: "unknown_category",
				Detail: fmt.Sprintf("category %s does not exist; name a category of the ledger", settings.DefaultCategory)}
		}
		settings.Version = t.next
		next.settings = settings
		return nil
	})
}
