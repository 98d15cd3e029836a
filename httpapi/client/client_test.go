package client_test

import (
	"errors"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/client"
)

func TestClient_WritesOfflineAndSyncs(t *testing.T) {
	onEachStorage(t, func(t *testing.T, open func() client.Storage) {
		s := newSite(t)
		phone := s.registered(t, open())
		categories := get(phone.Categories().List(t.Context()))(t)
		if len(categories) != 10 {
			t.Fatalf("a first sync brings %d categories, want 10", len(categories))
		}
		lunch := get(phone.Expenses().Put(t.Context(),
			client.ExpenseDraft{Amount: "12.5", Category: "food", Notes: "Lunch"}))(t)
		equal(t, "currency", lunch.Currency, "EUR")
		equal(t, "date", lunch.Date, "2026-03-08")
		equal(t, "home amount", *lunch.HomeAmount, "12.50")
		equal(t, "unacknowledged", lunch.Unacknowledged, true)
		_, err := phone.Expenses().Patch(t.Context(), lunch.ID, client.ExpensePatch{Amount: client.Set("13")})
		must(t, err)
		equal(t, "amount", get(phone.Expenses().Get(t.Context(), lunch.ID))(t).Amount, "13.00")

		phone = s.device(t, open()) // a new process opens the same storage
		equal(t, "amount after a restart", get(phone.Expenses().Get(t.Context(), lunch.ID))(t).Amount, "13.00")
		must(t, phone.Sync(t.Context()))
		stored := get(phone.Expenses().Get(t.Context(), lunch.ID))(t)
		equal(t, "unacknowledged", stored.Unacknowledged, false)
		equal(t, "amount", stored.Amount, "13.00")
		equal(t, "category", stored.CategoryID, lunch.CategoryID)
		if stored.Version == 0 {
			t.Error("the row has no version after a sync")
		}
		wantInSync(t, phone)

		tablet := s.secondDevice(t)
		equal(t, "amount on the tablet", get(tablet.Expenses().Get(t.Context(), lunch.ID))(t).Amount, "13.00")
		must(t, tablet.Expenses().Delete(t.Context(), lunch.ID))
		if _, err := tablet.Expenses().Get(t.Context(), lunch.ID); !errors.Is(err, expense.ErrNotFound) {
			t.Errorf("a row that was deleted here: %v", err)
		}
		must(t, tablet.Sync(t.Context()))
		must(t, phone.Sync(t.Context()))
		if _, err := phone.Expenses().Get(t.Context(), lunch.ID); !errors.Is(err, expense.ErrNotFound) {
			t.Errorf("a row that was deleted elsewhere: %v", err)
		}
		wantInSync(t, phone)
	})
}
