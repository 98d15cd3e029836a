package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

const (
	insertLedger = `INSERT INTO spendwise_ledgers (owner, home, zone, locale, fiscal_year_start, default_category,
		settings_version, version, epoch, floor, lost, volume, budgets)
		VALUES ($1, $2, $3, $4, $5, $6, 1, 1, $7, 0, '', 0, 0) ON CONFLICT DO NOTHING`
	selectLedger = `SELECT home, zone, locale, fiscal_year_start, default_category, settings_version, version, volume,
		CAST(budgets AS bigint)
		FROM spendwise_ledgers WHERE owner = $1`
	ledgerWidth   = 9
	settingsWidth = 6
	updateLedger  = `UPDATE spendwise_ledgers SET version = $2, volume = $3, budgets = $4 WHERE owner = $1`
	updateSetting = `UPDATE spendwise_ledgers SET home = $2, zone = $3, locale = $4, fiscal_year_start = $5,
		default_category = $6,
		settings_version = $7 WHERE owner = $1`
)

// A reader reads one ledger: each call by itself, or all in one transaction.
type reader struct {
	store   *Store
	owner   string
	session *session // nil outside a transaction
	invalid error    // why the owner's id is none
}

// on returns the session that the next statement runs on.
func (r *reader) on() *session {
	if r.session != nil {
		return r.session
	}
	return r.store.outside()
}

// A ledgerTx reads and writes one ledger, whose row it has locked.
type ledgerTx struct {
	reader
	settings expense.Settings
	version  expense.Version // the ledger's, before this Update
	volume   int64           // the ledger's, with what this Update changed
	held     int64           // how many budgets the ledger has, with what this Update changed
	wrote    bool
}

// lock takes the ledger's row, and with it everything that is in it.
func (tx *ledgerTx) lock(ctx context.Context) error {
	var err error
	found, failure := tx.session.one(ctx, ledgerWidth, func(r *row) {
		tx.settings, err = tx.scanSettings(r, 0)
		tx.version, tx.volume, tx.held = r.version(6), r.int(7), r.int(8)
	}, selectLedger+tx.store.dialect.Lock, tx.owner)
	switch {
	case failure != nil:
		return failure
	case !found:
		return fmt.Errorf("ledger: %w", expense.ErrNotFound)
	}
	return err
}

// next is the version that what this Update writes carries; asking for it takes it.
func (tx *ledgerTx) next() expense.Version {
	tx.wrote = true
	return tx.version + 1
}

// keep writes the ledger's row, if anything in the ledger was written.
func (tx *ledgerTx) keep(ctx context.Context) error {
	if !tx.wrote || tx.session.doomed != nil {
		return tx.session.doomed
	}
	_, err := tx.session.exec(ctx, updateLedger, tx.owner, int64(tx.version+1), tx.volume, tx.held)
	return err
}

// scanSettings reads the six columns of the settings from the cell at on.
func (r *reader) scanSettings(row *row, at int) (expense.Settings, error) {
	zone, err := r.store.zone(row.text(at + 1))
	return expense.Settings{
		Home: row.currency(at), Zone: zone, Locale: row.text(at + 2), FiscalYearStart: time.Month(row.int(at + 3)),
		DefaultCategory: row.id(at + 4), Version: row.version(at + 5),
	}, err
}

func (r *reader) Settings(ctx context.Context) (settings expense.Settings, err error) {
	if r.invalid != nil {
		return settings, r.invalid
	}
	var failure error
	found, err := r.on().one(ctx, ledgerWidth, func(row *row) { settings, failure = r.scanSettings(row, 0) }, selectLedger,
		r.owner)
	switch {
	case err != nil:
		return expense.Settings{}, err
	case !found:
		return expense.Settings{}, fmt.Errorf("ledger: %w", expense.ErrNotFound)
	}
	return settings, failure
}

// Settings are those of the locked row: no statement is needed.
func (tx *ledgerTx) Settings(context.Context) (expense.Settings, error) { return tx.settings, nil }

func (tx *ledgerTx) PutSettings(ctx context.Context, settings expense.Settings) (expense.Version, error) {
	if err := admit("settings", uuid.Nil, settings.Version, tx.settings.Version); err != nil {
		return 0, err
	}
	if err := tx.checkDefault(ctx, settings.DefaultCategory); err != nil {
		return 0, err
	}
	settings.Version = tx.next()
	_, err := tx.session.exec(ctx, updateSetting, tx.owner, settings.Home.Code(), settings.Zone.String(), settings.Locale,
		int64(settings.FiscalYearStart), settings.DefaultCategory.String(), int64(settings.Version))
	if err != nil {
		return 0, err
	}
	rezoned := settings.Zone.String() != tx.settings.Zone.String()
	tx.settings = settings
	if rezoned {
		err = tx.rezone(ctx)
	}
	return settings.Version, err
}

func (tx *ledgerTx) checkDefault(ctx context.Context, id uuid.UUID) error {
	found, err := tx.session.one(ctx, categoryWidth, func(*row) {}, selectCategory, tx.owner, id.String())
	if err != nil || found {
		return err
	}
	return &expense.InvalidError{
		Field: "default_category_id", Code: "unknown_category",
		Detail: fmt.Sprintf("the ledger holds no category %s; name one that it holds", id),
	}
}

// admit says what stands in the way of replacing a row that is at version have by one that carries version want.
func admit(what string, id uuid.UUID, want, have expense.Version) error {
	switch {
	case want == 0:
		return fmt.Errorf("%s: %w", label(what, id), expense.ErrExists)
	case want != have:
		return fmt.Errorf("%s: %w", label(what, id), &expense.StaleError{Current: have})
	default:
		return nil
	}
}

func label(what string, id uuid.UUID) string {
	if id == uuid.Nil {
		return what
	}
	return what + " " + id.String()
}
