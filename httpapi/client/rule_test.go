package client_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/client"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// postDue makes the server post all due occurrences.
func (s *site) postDue(t *testing.T, owner expense.OwnerID) {
	t.Helper()
	must(t, s.store.Update(t.Context(), owner, func(tx store.Tx) error {
		_, err := recurrence.Post(t.Context(), tx, expense.Env{Now: s.now()})
		return err
	}))
}

// TestPredictPostings_OccurrenceIsOneRow predicts occurrences before and after the server posts them, and with a rule
// that has changed by then.
func TestPredictPostings_OccurrenceIsOneRow(t *testing.T) {
	for _, first := range []string{"device", "server", "server, edited", "server, deleted"} {
		t.Run("first the "+first, func(t *testing.T) {
			s := newSite(t)
			c := s.registered(t, client.NewMemoryStorage())
			owner := expense.OwnerID(get(c.Account(t.Context()))(t).ID.String())
			rule := get(c.Rules().Put(t.Context(),
				client.RuleDraft{Amount: "800", Freq: "weekly", StartDate: "2026-03-09", Notes: "Rent"}))(t)
			must(t, c.Sync(t.Context()))
			equal(t, "predictions before anything is due", len(get(c.PredictPostings(t.Context()))(t)), 0)
			s.advance(9 * 24 * time.Hour) // two Mondays later
			if first == "server, edited" {
				must(t, c.Do(t.Context(), "PATCH", "/v1/recurrences/"+rule.ID.String(), map[string]string{"amount": "850"}, nil))
			}
			predicted := get(c.PredictPostings(t.Context()))(t)
			if len(predicted) != 2 || predicted[1].Date != "2026-03-16" ||
				predicted[1].ID != expense.OccurrenceID(rule.ID, expense.MustDate("2026-03-16")) {
				t.Fatalf("predicted: %v", predicted)
			}
			equal(t, "predictions of the same day again", len(get(c.PredictPostings(t.Context()))(t)), 0)
			if first != "device" {
				s.postDue(t, owner)
			}
			if first == "server, deleted" {
				must(t, c.Do(t.Context(), "DELETE", "/v1/expenses/"+predicted[0].ID.String(), nil, nil))
			}
			must(t, c.Sync(t.Context()))
			s.postDue(t, owner)
			must(t, c.Sync(t.Context()))
			equal(t, "predictions of what is there", len(get(c.PredictPostings(t.Context()))(t)), 0)
			rows, want := get(c.Expenses().List(t.Context()))(t), 2
			if first == "server, deleted" {
				want = 1
			}
			if len(rows) != want || rows[len(rows)-1].Unacknowledged {
				t.Errorf("the ledger holds %v", rows)
			}
			equal(t, "conflicts", len(get(c.Conflicts(t.Context()))(t)), 0)
			equal(t, "refusals", len(get(c.Rejections(t.Context()))(t)), 0)
			wantInSync(t, c)
		})
	}
}

func TestPredictPostings_OfRuleAddedOffline(t *testing.T) {
	s := newSite(t)
	c := s.registered(t, client.NewMemoryStorage())
	rule := get(c.Rules().Put(t.Context(), client.RuleDraft{
		Amount: "5", Freq: "monthly", MonthDay: "31", StartDate: "2025-12-31", OnMissing: "clamp",
	}))(t)
	predicted := get(c.PredictPostings(t.Context()))(t)
	var dates []string
	for _, e := range predicted {
		dates = append(dates, e.Date)
	}
	equal(t, "dates", fmt.Sprint(dates), "[2025-12-31 2026-01-31 2026-02-28]")
	must(t, c.Expenses().Delete(t.Context(), predicted[0].ID))
	must(t, second(c.Rules().Patch(t.Context(), rule.ID,
		client.RulePatch{Paused: client.Set(true), MonthDay: client.Set[client.MonthDay]("last")})))
	must(t, c.Sync(t.Context()))
	s.postDue(t, expense.OwnerID(get(c.Account(t.Context()))(t).ID.String()))
	must(t, c.Sync(t.Context()))
	equal(t, "rows", len(get(c.Expenses().List(t.Context()))(t)), 2)
	got := get(c.Rules().Get(t.Context(), rule.ID))(t)
	if !got.Paused || *got.MonthDay != "last" || len(get(c.PredictPostings(t.Context()))(t)) != 0 {
		t.Errorf("the rule is %v", got)
	}
	equal(t, "refusals", len(get(c.Rejections(t.Context()))(t)), 0)
	wantInSync(t, c)
}

// limits lists the entries of a budget.
func limits(b client.Budget) string {
	texts := make([]string, len(b.Entries))
	for i, entry := range b.Entries {
		texts[i] = entry.FromMonth + " " + *entry.Amount
	}
	return strings.Join(texts, ", ")
}

func TestClient_WritesEveryRowTypeOffline(t *testing.T) {
	onEachStorage(t, func(t *testing.T, open func() client.Storage) {
		s := newSite(t)
		c := s.registered(t, open())
		fun := get(c.Categories().Put(t.Context(), client.CategoryDraft{Name: "Fun", Colour: "#1e90ff"}))(t)
		fun = get(c.Categories().Patch(t.Context(), fun.ID,
			client.CategoryPatch{Icon: client.Set("star"), Colour: client.Null[string]()}))(t)
		limit := get(c.Budgets().Put(t.Context(),
			client.BudgetDraft{CategoryID: fun.ID, Amount: "100", AlertAt: []string{"0.5"}}))(t)
		limit = get(c.Budgets().Patch(t.Context(), limit.ID,
			client.BudgetPatch{Amount: client.Set("120.00"), FromMonth: client.Set("2026-05")}))(t)
		equal(t, "limits", limits(limit), "2026-03 100, 2026-05 120.00")
		must(t, second(c.PatchSettings(t.Context(),
			client.SettingsPatch{Locale: client.Set("de"), DefaultCategoryID: client.Set(fun.ID.String())})))
		equal(t, "locale", get(c.Settings(t.Context()))(t).Locale, "de")
		spent := get(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "60"}))(t)
		equal(t, "category", spent.CategoryID, fun.ID)
		abroad := get(c.Expenses().Put(t.Context(),
			client.ExpenseDraft{Amount: "10", Currency: "USD", Rate: "0.5", Category: "fun"}))(t)
		if !abroad.Pending || abroad.HomeAmount != nil {
			t.Errorf("an unconverted expense is shown as %v", abroad)
		}
		c = s.device(t, open())
		must(t, c.Sync(t.Context()))
		must(t, c.Do(t.Context(), "GET", "/v1/budgets/alerts", nil, nil))
		must(t, c.Sync(t.Context()))
		equal(t, "refusals", fmt.Sprint(get(c.Rejections(t.Context()))(t)), "[]")
		equal(t, "icon", *get(c.Categories().Get(t.Context(), fun.ID))(t).Icon, "star")
		limit = get(c.Budgets().Get(t.Context(), limit.ID))(t)
		equal(t, "limits", limits(limit), "2026-03 100.00, 2026-05 120.00")
		equal(t, "home amount", *get(c.Expenses().Get(t.Context(), abroad.ID))(t).HomeAmount, "5.00")
		alerts := get(c.Alerts(t.Context()))(t)
		if len(alerts) != 1 || alerts[0].ReadAt != nil {
			t.Fatalf("the alerts are %v", alerts)
		}
		if read := get(c.MarkAlertRead(t.Context(), alerts[0].ID))(t); read.ReadAt.IsZero() || !read.Unacknowledged {
			t.Errorf("an alert that was read is shown as %v", read)
		}
		must(t, c.Sync(t.Context()))
		if read := get(c.Alerts(t.Context()))(t); read[0].ReadAt.IsZero() || read[0].Unacknowledged {
			t.Errorf("an alert that was read is %v", read)
		}
		_, err := c.Expenses().Patch(t.Context(), fun.ID, client.ExpensePatch{Notes: client.Set("x")})
		if !errors.Is(err, expense.ErrNotFound) {
			t.Errorf("a patch of an unknown row: %v", err)
		}
		wantInSync(t, c)
	})
}
