package main_test

import (
	"database/sql"
	"net/http"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
)

// execute runs SQL statements directly on a database.
func execute(t *testing.T, database string, statements ...string) {
	t.Helper()
	driver, source := "pgx", database
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok {
		driver, source = "sqlite", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// TestVerify_FindsEachDeviation breaks each guarantee by SQL and checks that verify reports it, and that --repair fixes
// only totals.
func TestVerify_FindsEachDeviation(t *testing.T) {
	damages := []struct {
		name, damage string
		want         []string
		undo         string // the SQL that reverts what --repair does not fix
	}{
		{"a total that drifted", `UPDATE spendwise_totals SET home = home + 1 WHERE currency = 'EUR'`,
			[]string{"totals: EUR in 2026-03"}, ""},
		{"no totals", `DELETE FROM spendwise_totals`, []string{"totals: EUR in 2026-03", "the total is missing"}, ""},
		{
			"a total of nothing", `INSERT INTO spendwise_totals
				SELECT owner, 202501, category_id, currency, count, amount, home, pending_count, pending
				FROM spendwise_totals WHERE currency = 'JPY'`, []string{"totals: JPY in 2025-01"}, "",
		},
		{"a volume that drifted", `UPDATE spendwise_ledgers SET volume = volume - 7`,
			[]string{"totals: volume of the expenses"}, ""},
		{
			"a number of budgets that drifted", `UPDATE spendwise_ledgers SET budgets = 5`,
			[]string{"totals: number of budgets: the ledger says 5, and the rows 1"}, "",
		},
		{
			"an amount changed by hand", `UPDATE spendwise_expenses SET amount = 1251 WHERE amount = 1250`,
			[]string{"conversion: expense", "totals: EUR"}, `UPDATE spendwise_expenses SET amount = 1250 WHERE amount = 1251`,
		},
		{
			"a version of the future", `UPDATE spendwise_expenses SET version = version + 4000 WHERE currency = 'JPY'`,
			[]string{"versions: expense", "the ledger's version is"}, `UPDATE spendwise_expenses SET version = version - ` +
				`4000 WHERE ` +
				`currency = 'JPY'`,
		},
		{
			"a guard after its row", `UPDATE spendwise_expenses SET guard = guard + 4000 WHERE currency = 'JPY'`,
			[]string{"versions: expense", "guarded fields"}, `UPDATE spendwise_expenses SET guard = guard - 4000 WHERE ` +
				`currency = 'JPY'`,
		},
		{
			"an occurrence of another day", `UPDATE spendwise_expenses SET occurrence = 20260228 WHERE occurrence = 20260328`,
			[]string{"ids: expense"}, `UPDATE spendwise_expenses SET occurrence = 20260328 WHERE occurrence = 20260228`,
		},
		{
			"a default category of nowhere", `UPDATE spendwise_ledgers SET default_category =
				(SELECT rule_id FROM spendwise_expenses WHERE rule_id IS NOT NULL LIMIT 1)`,
			[]string{"references: settings"},
			`UPDATE spendwise_ledgers SET default_category = (SELECT id FROM spendwise_categories WHERE name = 'Other')`,
		},
		{
			"an archived default category", `UPDATE spendwise_categories SET archived = 1 WHERE name = 'Other'`,
			[]string{"references: settings", "archived"}, `UPDATE spendwise_categories SET archived = 0`,
		},
		{
			"a version of a lost history", `UPDATE spendwise_ledgers SET lost = '1-' || version`,
			[]string{"versions: expense", "a discarded history"}, `UPDATE spendwise_ledgers SET lost = ''`,
		},
		{
			"a home currency switched over", `UPDATE spendwise_ledgers SET home = 'USD'`, []string{"conversion: expense"},
			`UPDATE spendwise_ledgers SET home = 'EUR'`,
		},
		{"a rule that never comes", `UPDATE spendwise_rules SET every = 0`, []string{"rows: recurrence"},
			`UPDATE spendwise_rules SET every = 1`},
	}
	engines(t, func(t *testing.T, database, dataDir string) {
		seedLedger(t, database, dataDir)
		owner := email(t, command(t, dataDir, "--database", database, "user", "list"))
		before := command(t, dataDir, "--database", database, "export", "--user", owner)
		sound := func(t *testing.T) {
			t.Helper()
			if got, want := command(t, dataDir, "--database", database,
				"verify"), "verified 1 ledgers: 0 deviations in 0, 0 repaired\n"; got != want {
				t.Fatalf("a sound ledger: %q, want %q", got, want)
			}
		}
		sound(t)
		for _, d := range damages {
			t.Run(d.name, func(t *testing.T) {
				execute(t, database, d.damage)
				out, err := program(t.Context(), dataDir, "--database", database, "verify", "--user", owner).CombinedOutput()
				for _, want := range d.want {
					if err == nil || !strings.Contains(string(out), want) {
						t.Errorf("verify does not say %q: %v\n%s", want, err, out)
					}
				}
				out, err = program(t.Context(), dataDir, "--database", database, "verify", "--repair").CombinedOutput()
				if repaired := d.undo == ""; (err == nil) != repaired {
					t.Errorf("verify --repair: %v, want repaired: %v\n%s", err, repaired, out)
				}
				if d.undo != "" {
					execute(t, database, d.undo)
					command(t, dataDir, "--database", database, "verify", "--repair") // the totals included the damage
				}
				sound(t)
			})
		}
		if after := command(t, dataDir, "--database", database, "export", "--user", owner); body(after) != body(before) {
			t.Errorf("repairing changed rows:\n%s\nwere:\n%s", after, before)
		}
	})
}

// seedLedger creates a ledger with a row of each kind through the API.
func seedLedger(t *testing.T, database, dataDir string) {
	t.Helper()
	s := start(t, dataDir, "--database", database)
	c := s.register(`,"home_currency":"EUR","time_zone":"UTC"`)
	food := ""
	for _, row := range c.must(t, http.StatusOK, "GET", "/v1/categories", "")["data"].([]any) {
		if category := answer(row.(map[string]any)); category.text("name") == "Food" {
			food = category.text("id")
		}
	}
	c.must(t, http.StatusCreated, "POST", "/v1/expenses",
		`{"amount":"12.50","currency":"EUR","date":"2026-03-02","category":"Food"}`)
	c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"1000","currency":"JPY","date":"2026-03-01"}`)
	c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"3.250","currency":"KWD","date":"2026-03-03"}`)
	c.must(t, http.StatusCreated, "POST", "/v1/budgets",
		`{"category_id":"`+food+`","amount":"500","from_month":"2026-01"}`)
	rule := c.must(t, http.StatusCreated, "POST", "/v1/recurrences",
		`{"amount":"9.99","freq":"monthly","start_date":"2026-02-28","until_date":"2026-03-28","category":"Housing"}`)
	id := expense.OccurrenceID(mustID(t, rule.text("id")), expense.MustDate("2026-03-28"))
	c.must(t, http.StatusCreated, "POST", "/v1/expenses",
		`{"id":"`+id.String()+`","amount":"9.99","date":"2026-03-28","rule_id":"`+rule.text(
			"id")+`","occurrence":"2026-03-28"}`)
	gone := c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"1","date":"2026-03-04"}`)
	c.must(t, http.StatusNoContent, "DELETE", "/v1/expenses/"+gone.text("id"), "")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}
