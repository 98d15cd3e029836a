package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/sqlite"
)

// database is a store beside which accounts are kept.
type database interface {
	store.Store
	Accounts() store.Accounts
	Migrate(ctx context.Context) error
}

// open opens the database that --database would name.
func open(ctx context.Context, name string) (database, error) {
	if path, ok := strings.CutPrefix(name, "sqlite:"); ok {
		return sqlite.Open(ctx, path)
	}
	return postgres.Open(ctx, name)
}

const (
	// monthly is how many expenses a user has each month.
	monthly = 100
	// templates is how many ledgers are made by the use cases; the others are copies of them.
	templates = 20
)

// A user is somebody whose ledger the load works on.
type user struct {
	owner expense.OwnerID
	token string
	// cursor is where the user's device stands in the feed; replaced as a whole.
	cursor atomic.Pointer[string]
}

// fill makes the users' accounts, tokens and ledgers. A few ledgers are made by the use cases, of random expenses in several
// currencies, with budgets and recurring ones; SQL copies them, which no other owner's rows can tell.
func (l *lab) fill(ctx context.Context, name string) (users []*user, err error) {
	began := time.Now()
	db, err := open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Migrate(ctx); err != nil {
		return nil, err
	}
	users, err = l.addUsers(ctx, db)
	if err != nil {
		return nil, err
	}
	rates, err := ecb.Embedded()
	if err != nil {
		return nil, err
	}
	n := min(templates, len(users))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, u := range users[:n] {
		group.Go(func() error { return l.fillLedger(inner, db, u.owner, rates, rand.New(rand.NewPCG(8, uint64(i)))) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := copyLedgers(ctx, name, users, n); err != nil {
		return nil, err
	}
	l.say("%d ledgers of %d expenses, %d in all, in %s", len(users), l.config.Months*monthly, len(users)*l.config.Months*monthly, time.Since(began).Round(time.Second))
	return users, nil
}

func (l *lab) addUsers(ctx context.Context, db database) ([]*user, error) {
	kek, err := base64.StdEncoding.DecodeString(l.kek)
	if err != nil {
		return nil, err
	}
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return nil, err
	}
	service, err := auth.New(ctx, auth.NewUsers(db.Accounts(), db, settings, nil), auth.Config{KEK: kek})
	if err != nil {
		return nil, err
	}
	users := make([]*user, l.config.Users)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range users {
		group.Go(func() error {
			account := store.Account{
				ID: uuid.Must(uuid.NewV7()), Email: fmt.Sprintf("user%d@example.com", i), PasswordHash: "*", CreatedAt: expense.Instant(time.Now()),
			}
			if err := db.Accounts().CreateAccount(inner, account); err != nil {
				return err
			}
			_, secret, err := service.CreateToken(inner, auth.Identity{Owner: account.Owner(), Scopes: auth.LedgerScopes}, auth.PersonalTokenDraft{
				Name: "lab", Scopes: auth.LedgerScopes,
			})
			users[i] = &user{owner: account.Owner(), token: secret}
			return err
		})
	}
	return users, group.Wait()
}

// fillLedger makes one ledger by the use cases.
func (l *lab) fillLedger(ctx context.Context, db store.Store, owner expense.OwnerID, rates expense.Rates, random *rand.Rand) error {
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return err
	}
	env := expense.Env{Now: time.Now(), Rates: rates}
	ledger := expense.StarterLedger(owner, settings, env.Now)
	if _, err := db.CreateLedger(ctx, owner, ledger); err != nil {
		return err
	}
	today := expense.DateOf(env.Now, time.UTC)
	drafts := make([]expense.Draft, l.config.Months*monthly)
	for i := range drafts {
		drafts[i] = expense.Draft{
			Amount: fmt.Sprintf("%d.%02d", 1+random.IntN(90), random.IntN(100)), Currency: []string{"EUR", "EUR", "EUR", "USD", "GBP"}[random.IntN(5)],
			Date: today.AddDays(-random.IntN(l.config.Months*30 + 1)).String(), CategoryID: ledger.Categories[random.IntN(len(ledger.Categories))].ID.String(),
			Notes: new(fmt.Sprintf("purchase %d", i)),
		}
	}
	return db.Update(ctx, owner, func(tx store.Tx) error {
		verdicts, err := expense.AddAll(ctx, tx, env, drafts...)
		if err != nil {
			return err
		}
		for _, verdict := range verdicts {
			if verdict.Err != nil {
				return verdict.Err
			}
		}
		for _, category := range ledger.Categories[:5] {
			draft := budget.Draft{CategoryID: category.ID.String(), Amount: "500", FromMonth: today.Month().Add(1 - l.config.Months).String(), Rollover: "both"}
			if _, err := budget.Add(ctx, tx, env, draft); err != nil {
				return err
			}
			rule := recurrence.Draft{Amount: new("9.99"), Freq: new("monthly"), Start: new(today.AddDays(1).String()), CategoryID: new(category.ID.String())}
			if _, err := recurrence.Add(ctx, tx, env, rule); err != nil {
				return err
			}
		}
		return nil
	})
}

// ledgerTables are copied in this order, which the foreign keys ask for.
var ledgerTables = [...]string{
	"spendwise_ledgers", "spendwise_categories", "spendwise_expenses", "spendwise_totals", "spendwise_budgets", "spendwise_budget_entries",
	"spendwise_rules",
}

// copyLedgers gives each user after the first n a copy of one of those: the owner comes first in every key, so the ids may repeat.
func copyLedgers(ctx context.Context, name string, users []*user, n int) (err error) {
	if len(users) == n {
		return nil
	}
	driver, source := "pgx", name
	if path, ok := strings.CutPrefix(name, "sqlite:"); ok {
		driver, source = "sqlite", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // the temporary table is the connection's
	if _, err := db.ExecContext(ctx, "CREATE TEMPORARY TABLE lab_copies (owner text NOT NULL, template text NOT NULL)"); err != nil {
		return err
	}
	for i, u := range users[n:] {
		if _, err := db.ExecContext(ctx, "INSERT INTO lab_copies VALUES ($1, $2)", string(u.owner), string(users[i%n].owner)); err != nil {
			return err
		}
	}
	for _, table := range ledgerTables {
		columns, err := columnsOf(ctx, db, table)
		if err != nil {
			return err
		}
		others := strings.Join(columns, ", t.")
		text := fmt.Sprintf("INSERT INTO %[1]s (owner, %[2]s) SELECT c.owner, t.%[3]s FROM lab_copies c JOIN %[1]s t ON t.owner = c.template",
			table, strings.Join(columns, ", "), others)
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("copy %s: %w", table, err)
		}
	}
	_, err = db.ExecContext(ctx, "ANALYZE")
	return err
}

// columnsOf returns a table's columns but for the owner.
func columnsOf(ctx context.Context, db *sql.DB, table string) (columns []string, err error) {
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table+" LIMIT 0")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Err(), rows.Close()) }()
	all, err := rows.Columns()
	for _, column := range all {
		if column != "owner" {
			columns = append(columns, column)
		}
	}
	return columns, err
}
