package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/sqlite"
)

// A database is a store with local accounts and a schema that can be migrated.
type database interface {
	store.Store
	Accounts() accounts.Store
	Migrate(ctx context.Context) error
}

// open opens a database. name has the format of the server's flag --database.
func open(ctx context.Context, name string) (database, error) {
	if path, ok := strings.CutPrefix(name, "sqlite:"); ok {
		return sqlite.Open(ctx, path)
	}
	return postgres.Open(ctx, name)
}

const (
	// monthly is the number of expenses of a user in a month.
	monthly = 100
	// templates is the number of ledgers that are created by use cases. The other ledgers are copies of them.
	templates = 20
)

// currencies holds the currencies of expenses. Of 5 expenses, on average 3 are in EUR, 1 is in USD and 1 in GBP.
var currencies = [...]string{"EUR", "EUR", "EUR", "USD", "GBP"}

// A user has a ledger that the load reads and writes.
type user struct {
	owner expense.OwnerID
	token string
	// cursor is the position of the user's device in the change feed.
	cursor atomic.Pointer[string]
}

// fill creates the users' accounts, tokens and ledgers. Use cases create a few ledgers with random expenses in several
// currencies, budgets and recurring rules. SQL statements copy these ledgers to the other users.
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
	rates, err := currentRates(ctx, db)
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
	l.say("created %d ledgers by use cases; copying them", n)
	if err := l.copyLedgers(ctx, name, users, n); err != nil {
		return nil, err
	}
	expenses := len(users) * l.config.Months * monthly
	l.say("created %d ledgers of %d expenses, %d in total, in %s",
		len(users), l.config.Months*monthly, expenses, time.Since(began).Round(time.Second))
	bytes, err := size(ctx, name)
	fmt.Printf("%d users, %d expenses: %.1f MiB, %.0f KiB per user, %d bytes per expense including indexes and totals\n",
		len(users), expenses, float64(bytes)/(1<<20), float64(bytes)/(1<<10)/float64(len(users)), bytes/int64(expenses))
	return users, err
}

// currentRates returns the embedded rates, extended until today with the rates of the last embedded day. It stores the
// added rates, so that the servers use them too. Without them, months of expenses in other currencies would stay
// pending, unlike in a real deployment.
func currentRates(ctx context.Context, db store.Store) (*ecb.Table, error) {
	table, err := ecb.EmbeddedTable()
	if err != nil {
		return nil, err
	}
	var quotes []expense.Quote
	newest := table.LatestDate()
	euro := expense.MustCurrency("EUR")
	for _, code := range currencies {
		to := expense.MustCurrency(code)
		price, ok := table.Rate(euro, to, newest)
		if !ok || to == euro {
			continue
		}
		for day := newest.AddDays(1); day.Compare(expense.DateOf(time.Now(), time.UTC)) <= 0; day = day.AddDays(1) {
			quotes = append(quotes, expense.Quote{Source: ecb.Source, Date: day, Currency: to, Value: price.Value})
		}
	}
	if _, err := db.PutQuotes(ctx, quotes...); err != nil {
		return nil, err
	}
	return table, table.Load(ctx, db)
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
			account := accounts.Account{
				ID: uuid.Must(uuid.NewV7()), Email: fmt.Sprintf("user%d@example.com", i), PasswordHash: "*",
				CreatedAt: expense.Timestamp(time.Now()),
			}
			if err := db.Accounts().CreateAccount(inner, account); err != nil {
				return err
			}
			identity := auth.Identity{Owner: account.Owner(), Scopes: auth.LedgerScopes}
			draft := auth.PersonalTokenDraft{Name: "lab", Scopes: auth.LedgerScopes}
			_, secret, err := service.CreatePersonalToken(inner, identity, draft)
			users[i] = &user{owner: account.Owner(), token: secret}
			return err
		})
	}
	return users, group.Wait()
}

// fillLedger creates one ledger by use cases.
func (l *lab) fillLedger(
	ctx context.Context, db store.Store, owner expense.OwnerID, rates expense.Rates, random *rand.Rand,
) error {
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return err
	}
	env := expense.Env{Now: time.Now(), Rates: rates}
	ledger := expense.NewInitialLedger(owner, settings, env.Now)
	if _, err := db.CreateLedger(ctx, owner, ledger); err != nil {
		return err
	}
	today := expense.DateOf(env.Now, time.UTC)
	drafts := make([]expense.TypedDraft, l.config.Months*monthly)
	for i := range drafts {
		drafts[i] = expense.Draft{
			Amount:     fmt.Sprintf("%d.%02d", 1+random.IntN(90), random.IntN(100)),
			Currency:   currencies[random.IntN(len(currencies))],
			Date:       today.AddDays(-random.IntN(l.config.Months*30 + 1)).String(),
			CategoryID: ledger.Categories[random.IntN(len(ledger.Categories))].ID.String(),
			Notes:      new(fmt.Sprintf("purchase %d", i)),
		}.Parse(settings.Home)
	}
	return db.Update(ctx, owner, func(tx store.Tx) error {
		results, err := expense.AddAll(ctx, tx, env, drafts...)
		if err != nil {
			return err
		}
		for _, result := range results {
			if result.Err != nil {
				return result.Err
			}
		}
		for _, category := range ledger.Categories[:5] {
			from := today.Month().Add(1 - l.config.Months).String()
			draft := budget.Draft{CategoryID: category.ID.String(), Amount: "500", FromMonth: from, Rollover: "both"}
			if _, err := budget.Add(ctx, tx, env, draft); err != nil {
				return err
			}
			rule := recurrence.Draft{
				Amount: new("9.99"), Freq: new("monthly"), Start: new(today.AddDays(1).String()),
				CategoryID: new(category.ID.String()),
			}
			if _, err := recurrence.Add(ctx, tx, env, rule); err != nil {
				return err
			}
		}
		return nil
	})
}

// copyLedgers copies smallTables in this order, because rows refer to rows of earlier tables. It copies bigTables last.
// No row refers to a row of bigTables.
var (
	smallTables = [...]string{
		"spendwise_ledgers", "spendwise_categories", "spendwise_budgets", "spendwise_budget_entries", "spendwise_rules",
	}
	bigTables = [...]struct{ name, time string }{{"spendwise_expenses", "date"}, {"spendwise_totals", "month"}}
)

// copyLedgers copies the ledgers of the first n users to the other users. A copy has the same ids, because the owner is
// part of every key. Expenses are inserted in the order of their dates, so that the rows of one user are spread over
// the table, as in a real deployment.
func (l *lab) copyLedgers(ctx context.Context, name string, users []*user, n int) (err error) {
	if len(users) == n {
		return nil
	}
	driver, source := "pgx", name
	setup := []string{"SET maintenance_work_mem = '1GB'", "SET work_mem = '64MB'", "SET synchronous_commit = off"}
	if path, ok := strings.CutPrefix(name, "sqlite:"); ok {
		driver, source = "sqlite", path
		setup = []string{"PRAGMA synchronous = OFF", "PRAGMA cache_size = -200000"}
	}
	pool, err := sql.Open(driver, source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	db, err := pool.Conn(ctx) // settings and temporary tables belong to a connection
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, text := range append(setup, "CREATE TEMPORARY TABLE lab_copies (owner text NOT NULL, template text NOT NULL)") {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	for i, u := range users[n:] {
		_, err := db.ExecContext(ctx, "INSERT INTO lab_copies VALUES ($1, $2)", string(u.owner), string(users[i%n].owner))
		if err != nil {
			return err
		}
	}
	for _, table := range smallTables {
		columns, err := columnsOf(ctx, db, table)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("INSERT INTO %[1]s (owner, %[2]s) "+
			"SELECT c.owner, t.%[3]s FROM lab_copies c JOIN %[1]s t ON t.owner = c.template",
			table, strings.Join(columns, ", "), strings.Join(columns, ", t."))
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("copy %s: %w", table, err)
		}
	}
	for _, user := range users[:n] {
		if _, err := db.ExecContext(ctx, "INSERT INTO lab_copies VALUES ($1, $1)", string(user.owner)); err != nil {
			return err
		}
	}
	for _, table := range bigTables {
		if err := l.copyByTime(ctx, db, driver == "pgx", table.name, table.time); err != nil {
			return fmt.Errorf("copy %s: %w", table.name, err)
		}
	}
	_, err = db.ExecContext(ctx, "ANALYZE")
	return err
}

// copyByTime empties a big table and inserts the rows of all users, oldest first. On PostgreSQL without --grown, it
// drops the indexes first and creates them again afterwards. This is many times faster.
func (l *lab) copyByTime(ctx context.Context, db *sql.Conn, postgres bool, table, column string) (err error) {
	_, err = db.ExecContext(ctx, fmt.Sprintf("CREATE TEMPORARY TABLE lab_%[1]s AS SELECT * FROM %[1]s", table))
	if err != nil {
		return err
	}
	columns, err := columnsOf(ctx, db, table)
	if err != nil {
		return err
	}
	distinct := fmt.Sprintf("SELECT DISTINCT CAST(%[2]s AS text) FROM lab_%[1]s ORDER BY 1", table, column)
	moments, err := texts(ctx, db, distinct)
	if err != nil {
		return err
	}
	var rebuild []string
	if postgres && !l.config.Grown {
		if rebuild, err = dropIndexes(ctx, db, table); err != nil {
			return err
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	empty := "DELETE FROM " + table
	if postgres {
		empty = "TRUNCATE " + table // avoids WAL for the rows that this transaction inserts
	}
	if _, err := tx.ExecContext(ctx, empty); err != nil {
		return err
	}
	text := fmt.Sprintf("INSERT INTO %[1]s (owner, %[2]s) SELECT c.owner, t.%[3]s "+
		"FROM lab_%[1]s t JOIN lab_copies c ON c.template = t.owner WHERE t.%[4]s = CAST($1 AS integer)",
		table, strings.Join(columns, ", "), strings.Join(columns, ", t."), column)
	var rows int64
	for i, moment := range moments {
		result, err := tx.ExecContext(ctx, text, moment)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		rows += n
		if i*10/len(moments) < (i+1)*10/len(moments) {
			l.say("%s: %d rows, %d %%", table, rows, 100*(i+1)/len(moments))
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if postgres { // as autovacuum would in time; it enables index-only scans
		rebuild = append([]string{"VACUUM (ANALYZE) " + table}, rebuild...)
	}
	for _, text := range rebuild {
		l.say("%s", text)
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// dropIndexes drops a table's indexes and constraints and returns the statements that create them again.
func dropIndexes(ctx context.Context, db *sql.Conn, table string) (rebuild []string, err error) {
	const (
		constraints = ` FROM pg_constraint WHERE conrelid = '%[1]s'::regclass AND contype IN ('p', 'u', 'f')
			ORDER BY contype = 'f', conname`
		indexes = ` FROM pg_index i WHERE indrelid = '%[1]s'::regclass AND NOT EXISTS
			(SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u'))`
	)
	for _, read := range [...]struct{ drop, make string }{
		{`SELECT 'DROP INDEX ' || indexrelid::regclass` + indexes, `SELECT pg_get_indexdef(indexrelid)` + indexes},
		{`SELECT 'ALTER TABLE %[1]s DROP CONSTRAINT ' || quote_ident(conname)` + constraints,
			`SELECT 'ALTER TABLE %[1]s ADD CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid)` +
				constraints},
	} {
		made, err := texts(ctx, db, fmt.Sprintf(read.make, table))
		if err != nil {
			return nil, err
		}
		rebuild = append(rebuild, made...)
		dropped, err := texts(ctx, db, fmt.Sprintf(read.drop, table))
		if err != nil {
			return nil, err
		}
		for _, text := range dropped {
			if _, err := db.ExecContext(ctx, text); err != nil {
				return nil, fmt.Errorf("%s: %w", text, err)
			}
		}
	}
	return rebuild, nil
}

// texts returns the first column of a query's rows.
func texts(ctx context.Context, db *sql.Conn, query string) (column []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	defer func() { err = errors.Join(err, rows.Err(), rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		column = append(column, text)
	}
	return column, nil
}

// size returns the size of a database in bytes.
func size(ctx context.Context, name string) (bytes int64, err error) {
	if path, ok := strings.CutPrefix(name, "sqlite:"); ok {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	conn, err := pgx.Connect(ctx, name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	err = conn.QueryRow(ctx, "SELECT pg_database_size(current_database())").Scan(&bytes)
	return bytes, err
}

// columnsOf returns a table's columns except owner.
func columnsOf(ctx context.Context, db *sql.Conn, table string) (columns []string, err error) {
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
