package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// A ledgerRow holds the settings and the state of a ledger. An Update locks it.
type ledgerRow struct {
	bun.BaseModel `bun:"table:spendwise_ledgers,alias:l"`

	Owner                           string `bun:",pk"`
	Home, Zone, Locale              string
	FiscalYearStart                 int64
	DefaultCategory                 sqldb.UUID `bun:"type:uuid"`
	SettingsVersion, Version, Epoch int64
	Floor                           int64  // the highest version of a purged tombstone
	Lost                            string // versions that no row of this epoch has
	Volume                          int64  // the sum of the volumes of the expenses
	Budgets                         int64  // the number of budgets
}

func newLedgerRow(owner string, settings expense.Settings) ledgerRow {
	row := ledgerRow{Owner: owner, SettingsVersion: 1, Version: 1, Epoch: store.RandomEpoch()}
	row.setSettings(settings)
	return row
}

func (row *ledgerRow) setSettings(settings expense.Settings) {
	row.Home, row.Zone, row.Locale = settings.Home.Code(), settings.Zone.String(), settings.Locale
	row.FiscalYearStart, row.DefaultCategory = int64(settings.FiscalYearStart), sqldb.UUID(settings.DefaultCategory)
}

func (s *Store) settings(row *ledgerRow) (expense.Settings, error) {
	var d sqldb.Decoder
	zone, err := s.zone(row.Zone)
	d.Keep(err)
	return expense.Settings{
		Home: d.Currency(row.Home), Zone: zone, Locale: row.Locale, FiscalYearStart: time.Month(row.FiscalYearStart),
		DefaultCategory: uuid.UUID(row.DefaultCategory), Version: expense.Version(row.SettingsVersion),
	}, d.Err
}

func (row *ledgerRow) state() store.State {
	return store.State{
		Epoch: row.Epoch, Version: expense.Version(row.Version), PurgedThrough: expense.Version(row.Floor),
		Discarded: store.VersionRanges(row.Lost),
	}
}

// zone parses each name once.
func (s *Store) zone(name string) (expense.Zone, error) {
	if kept, ok := s.zones.Load(name); ok {
		return kept.(expense.Zone), nil
	}
	zone, err := expense.ParseZone(name)
	if err != nil {
		return expense.Zone{}, fmt.Errorf("time zone of a ledger: %w", err)
	}
	s.zones.Store(name, zone)
	return zone, nil
}

// A reader reads one ledger, each call by itself or all in one transaction.
type reader struct {
	store   *Store
	owner   string
	session *sqldb.Session // nil outside a transaction
	invalid error          // the error of an invalid owner
}

// on returns the session for the next statement.
func (r *reader) on() *sqldb.Session {
	if r.session != nil {
		return r.session
	}
	single := r.store.Single()
	single.Failed = r.invalid
	return single
}

func (r *reader) ledger(ctx context.Context, text string) (row ledgerRow, err error) {
	found, err := sqldb.One(ctx, r.on(), &row, text, r.owner)
	if err == nil && !found {
		err = fmt.Errorf("ledger: %w", expense.ErrNotFound)
	}
	return row, err
}

func (r *reader) Settings(ctx context.Context) (expense.Settings, error) {
	row, err := r.ledger(ctx, r.store.texts.ledger)
	if err != nil {
		return expense.Settings{}, err
	}
	return r.store.settings(&row)
}

func (r *reader) State(ctx context.Context) (store.State, error) {
	row, err := r.ledger(ctx, r.store.texts.ledger)
	if err != nil {
		return store.State{}, err
	}
	return row.state(), nil
}

// lock locks the ledger's row, and so the whole ledger.
func (tx *ledgerTx) lock(ctx context.Context) (err error) {
	if tx.row, err = tx.ledger(ctx, tx.store.texts.lockLedger); err != nil {
		return err
	}
	tx.stored = tx.row
	tx.settings, err = tx.store.settings(&tx.row)
	return err
}

// Settings returns the settings of the locked row.
func (tx *ledgerTx) Settings(context.Context) (expense.Settings, error) {
	return tx.settings, tx.session.Failed
}

// State returns the state of the locked row, with the version that this Update has taken.
func (tx *ledgerTx) State(context.Context) (store.State, error) {
	return tx.row.state(), tx.session.Failed
}

func (tx *ledgerTx) PutSettings(ctx context.Context, settings expense.Settings) (expense.Version, error) {
	if err := checkVersion("settings", settings.Version, tx.settings.Version); err != nil {
		return 0, err
	}
	switch known, err := tx.hasCategory(ctx, settings.DefaultCategory); {
	case err != nil:
		return 0, err
	case !known:
		return 0, &expense.InvalidError{
			Field: "default_category_id", Code: "unknown_category",
			Detail: fmt.Sprintf("the ledger has no category %s; give one that it has", settings.DefaultCategory),
		}
	}
	settings.Version = tx.next()
	tx.row.setSettings(settings)
	tx.row.SettingsVersion = int64(settings.Version)
	_, err := tx.session.Change(ctx, tx.session.NewUpdate().Model(&tx.row).WherePK().
		Column("home", "zone", "locale", "fiscal_year_start", "default_category", "settings_version"))
	if err != nil {
		return 0, err
	}
	rezoned := settings.Zone.String() != tx.settings.Zone.String()
	tx.settings = settings
	if rezoned {
		err = tx.updateDueTimes(ctx)
	}
	return settings.Version, err
}

// checkVersion returns ErrExists if a row that exists is to be created, and ErrStale if it has another version than the
// caller expects.
func checkVersion(what string, want, have expense.Version) error {
	switch {
	case want == 0:
		return fmt.Errorf("%s: %w", what, expense.ErrExists)
	case want != have:
		return fmt.Errorf("%s: %w", what, &expense.StaleError{Current: have})
	default:
		return nil
	}
}

// StartEpoch implements [store.Store].
func (s *Store) StartEpoch(ctx context.Context, owner expense.OwnerID) error {
	if err := owner.Validate(); err != nil {
		return err
	}
	err := s.Atomically(ctx, func(session *sqldb.Session) error {
		r := reader{store: s, owner: string(owner), session: session}
		row, err := r.ledger(ctx, s.texts.lockLedger)
		if err != nil {
			return err
		}
		next := row.state().NextEpoch(time.Now())
		row.Epoch, row.Version, row.Lost = next.Epoch, int64(next.Version), string(next.Discarded)
		_, err = session.Change(ctx, session.NewUpdate().Model(&row).WherePK().Column("epoch", "version", "lost"))
		return err
	})
	if err == nil {
		s.Notify(owner)
	}
	return err
}
