package main_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

var (
	stress = flag.Duration("stress", time.Second, "duration of TestServe_ConcurrentClientsOnOneLedger")
	kills  = flag.Int("kills", 2, "number of kills in TestServe_KilledUnderLoadLosesNothing")
)

// engines runs a test on a new database of each engine.
func engines(t *testing.T, test func(t *testing.T, database, dataDir string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		test(t, "sqlite:"+filepath.Join(dir, "ledger.db"), dir)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, pgtest.New(t), t.TempDir())
	})
}

// TestServe_ExpensesReportAndRestart checks the main use of a server: expenses in several currencies, a report, a
// restart.
func TestServe_ExpensesReportAndRestart(t *testing.T) {
	engines(t, func(t *testing.T, database, dataDir string) {
		s := start(t, dataDir, "--database", database)
		c := s.register(`,"home_currency":"EUR","time_zone":"Europe/Berlin"`)

		c.must(t, http.StatusCreated, "POST", "/v1/expenses",
			`{"amount":"12.50","currency":"EUR","date":"2026-03-02","category":"Food"}`)
		yen := c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"1000","currency":"JPY","date":"2026-03-01"}`)
		if got := yen.text("rate_date") + " " + yen.text("rate_source") + " " +
			yen.text("home_amount"); got != "2026-02-27 ecb 5.43" {
			t.Errorf("a Sunday's yen: %s", got)
		}
		dinar := c.must(t, http.StatusCreated, "POST", "/v1/expenses",
			`{"amount":"3.250","currency":"KWD","date":"2026-03-03"}`)
		if dinar["pending"] != true || dinar["rate"] != nil || dinar["home_amount"] != nil {
			t.Errorf("the dinar is not pending: %v", dinar)
		}
		report := c.must(t, http.StatusOK, "GET", "/v1/reports/monthly?month=2026-03", "")
		if report["complete"] != false || report.text("total") != "17.93" {
			t.Errorf("the report: %v", report)
		}
		c.must(t, http.StatusOK, "PATCH", "/v1/expenses/"+dinar.text("id"), `{"rate":"2.8"}`)
		report = c.must(t, http.StatusOK, "GET", "/v1/reports/monthly?month=2026-03", "")
		if report["complete"] != true || report.text("total") != "27.03" {
			t.Errorf("the report with a rate by hand: %v", report)
		}

		if err := s.stop(); err != nil {
			t.Fatalf("stopping: %v\n%s", err, s.log)
		}
		if log := s.log.String(); strings.Contains(log, "example.com") || strings.Contains(log, dinar.text("id")) {
			t.Errorf("the log holds personal data:\n%s", log)
		}
		s.start()
		c.url = s.url
		if again := c.must(t, http.StatusOK, "GET", "/v1/reports/monthly?month=2026-03",
			""); fmt.Sprint(again) != fmt.Sprint(report) {
			t.Errorf("after a restart the report is %v, was %v", again, report)
		}
	})
}

func TestImport_HouseholdOfFourYears(t *testing.T) {
	const file = "../../../export/statement/testdata/household-transactions.csv"
	engines(t, func(t *testing.T, database, dataDir string) {
		s := start(t, dataDir, "--database", database)
		email := "ravi@example.com"
		if _, err := s.run("a long pass phrase\n", "user", "add", email, "--home-currency", "INR", "--database",
			database); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"added 2176, known 0, ignored 285, failed 0",
			"added 0, known 2176, ignored 285, failed 0"} {
			out, err := s.run("", "import", "--database", database, "--user", email, file)
			if err != nil || strings.TrimSpace(out) != "imported: "+want {
				t.Fatalf("import: %q, %v; want %s", out, err, want)
			}
		}
		c := &client{http: http.DefaultClient, url: s.url}
		c.token = c.must(t, http.StatusOK, "POST", "/v1/auth/login",
			`{"email":"`+email+`","password":"a long pass phrase"}`).text("access_token")
		var sum decimal.Decimal
		for year := 2015; year <= 2018; year++ {
			for month := 1; month <= 12; month++ {
				report := c.must(t, http.StatusOK, "GET", fmt.Sprintf("/v1/reports/monthly?month=%d-%02d", year, month), "")
				sum = sum.Add(decimal.RequireFromString(report.text("total")))
			}
		}
		if sum.String() != "1957390.53" {
			t.Errorf("the months add up to %s, want 1957390.53", sum)
		}
	})
}

func TestServe_ConcurrentRequestsWithOneKey(t *testing.T) {
	engines(t, func(t *testing.T, database, dataDir string) {
		s := start(t, dataDir, "--database", database)
		c := s.register("")
		answers := make([]string, 50)
		var group sync.WaitGroup
		for i := range answers {
			group.Go(func() {
				status, body := c.raw("POST", "/v1/expenses", `{"amount":"12.50","notes":"once"}`, "Idempotency-Key", "the-one")
				answers[i] = strconv.Itoa(status) + " " + string(body)
			})
		}
		group.Wait()
		if !strings.HasPrefix(answers[0], "201 ") || len(slices.Compact(answers)) != 1 {
			t.Errorf("the answers differ: %q", slices.Compact(answers))
		}
		if all := c.expenses(t); len(all) != 1 {
			t.Errorf("%d expenses, want 1", len(all))
		}
	})
}

// TestServe_ConcurrentClientsOnOneLedger checks under concurrent writes that no update is lost, versions are dense and
// totals equal the sums.
func TestServe_ConcurrentClientsOnOneLedger(t *testing.T) {
	engines(t, func(t *testing.T, database, dataDir string) {
		s := start(t, dataDir, "--database", database, "--rate-limits", "off")
		c := s.register("")
		first := c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"1"}`)
		base, _ := strconv.ParseInt(first.text("version"), 10, 64)

		ctx, cancel := context.WithTimeout(t.Context(), *stress)
		defer cancel()
		var mu sync.Mutex
		versions := []int64{base}
		stored := map[string]string{first.text("id"): first.text("amount")} // amounts by id, "" if deleted
		var group sync.WaitGroup
		for worker := range 16 {
			group.Go(func() {
				random := rand.New(rand.NewPCG(uint64(worker), 7))
				var own []answer
				for ctx.Err() == nil {
					amount := fmt.Sprintf("%d.%02d", random.IntN(1000)+1, random.IntN(100))
					var status int
					var got answer
					switch pick := random.IntN(10); {
					case pick < 5 || len(own) == 0:
						status, got = c.do("POST", "/v1/expenses",
							`{"amount":"`+amount+`","currency":"`+[]string{"EUR", "USD", "KWD"}[random.IntN(3)]+`"}`)
						if status == http.StatusUnprocessableEntity { // each currency allows two decimals
							t.Errorf("POST: %v", got)
							return
						}
						own = append(own, got)
					case pick < 8:
						i := random.IntN(len(own))
						status, got = c.do("PATCH", "/v1/expenses/"+own[i].text("id"), `{"amount":"`+amount+`"}`, "If-Match",
							`"`+own[i].text("version")+`"`)
						if status == http.StatusOK && got.text("version") == own[i].text("version") {
							continue // the random amount is the same, so nothing was written
						}
						own[i] = got
					default:
						i := random.IntN(len(own))
						id := own[i].text("id")
						own = slices.Delete(own, i, i+1)
						status, _ = c.do("DELETE", "/v1/expenses/"+id, "")
						mu.Lock()
						stored[id] = ""
						mu.Unlock()
					}
					if status < 200 || status > 299 {
						t.Errorf("status %d %v", status, got)
						return
					}
					if got != nil {
						version, err := strconv.ParseInt(got.text("version"), 10, 64)
						if err != nil {
							t.Errorf("version %v", got)
							return
						}
						mu.Lock()
						versions = append(versions, version)
						stored[got.text("id")] = got.text("amount")
						mu.Unlock()
					}
				}
			})
		}
		group.Wait()

		live := 0
		for _, amount := range stored {
			if amount != "" {
				live++
			}
		}
		all := c.expenses(t)
		if len(all) != live {
			t.Errorf("%d expenses, want %d", len(all), live)
		}
		for _, e := range all {
			if stored[e.text("id")] != e.text("amount") {
				t.Errorf("expense %s holds %s, last written %s", e.text("id"), e.text("amount"), stored[e.text("id")])
			}
		}
		slices.Sort(versions)
		if twice := len(versions) - len(slices.Compact(slices.Clone(versions))); twice != 0 {
			t.Errorf("%d versions were taken twice", twice)
		}
		deletes := int64(len(stored) - live)
		last := c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"1"}`)
		if want := base + int64(len(versions)) - 1 + deletes + 1; last.text("version") != fmt.Sprint(want) {
			t.Errorf("the next version is %s, want %d: versions are not dense", last.text("version"), want)
		}
		wantTotalsEqualSums(t, c)
		t.Logf("%d writes, %d expenses left", int64(len(versions))+deletes, live)
	})
}

// wantTotalsEqualSums compares the report of this month with the sums over its expenses.
func wantTotalsEqualSums(t *testing.T, c *client) {
	t.Helper()
	today := c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"1"}`).text("date")
	report := c.must(t, http.StatusOK, "GET", "/v1/reports/monthly?month="+today[:7], "")
	var sum decimal.Decimal
	count := 0
	for _, e := range c.expenses(t) {
		if strings.HasPrefix(e.text("date"), today[:7]) {
			count++
			if e["home_amount"] != nil {
				sum = sum.Add(decimal.RequireFromString(e.text("home_amount")))
			}
		}
	}
	if !sum.Equal(decimal.RequireFromString(report.text("total"))) || report.text("count") != strconv.Itoa(count) {
		t.Errorf("the report says %s in %s expenses, the list sums to %s in %d", report.text("total"), report.text("count"),
			sum, count)
	}
}

// TestServe_KilledUnderLoadLosesNothing checks that all acknowledged writes exist after a crash, and that totals equal
// the sums.
func TestServe_KilledUnderLoadLosesNothing(t *testing.T) {
	engines(t, func(t *testing.T, database, dataDir string) {
		s := start(t, dataDir, "--database", database, "--rate-limits", "off")
		c := s.register("")
		answered := map[string]string{}
		for round := range *kills {
			var mu sync.Mutex
			var group sync.WaitGroup
			for worker := range 8 {
				group.Go(func() {
					for i := 0; ; i++ {
						amount := fmt.Sprintf("%d.%02d", round+1, i%100)
						status, got := c.do("POST", "/v1/expenses",
							`{"amount":"`+amount+`","currency":"USD","notes":"`+strconv.Itoa(worker)+`"}`)
						if status != http.StatusCreated {
							return // the server was killed
						}
						mu.Lock()
						answered[got.text("id")] = got.text("amount")
						mu.Unlock()
					}
				})
			}
			time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
			s.kill()
			group.Wait()
			s.start()
			c.url = s.url
			there := map[string]string{}
			for _, e := range c.expenses(t) {
				there[e.text("id")] = e.text("amount")
			}
			for id, amount := range answered {
				if there[id] != amount {
					t.Fatalf("round %d: expense %s was answered with %s, now it is %q", round, id, amount, there[id])
				}
			}
			wantTotalsEqualSums(t, c)
		}
		t.Logf("%d answered writes survived %d kills", len(answered), *kills)
	})
}
