package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/client"
)

func TestPush_SendsBatchesInOrder(t *testing.T) {
	onEachStorage(t, func(t *testing.T, open func() client.Storage) {
		s := newSite(t)
		c := s.registered(t, open())
		var last client.Expense
		for i := range 120 {
			last = get(c.Expenses().Put(t.Context(),
				client.ExpenseDraft{Amount: fmt.Sprint(i + 1), Notes: strings.Repeat("€", 2000)}))(t)
			last = get(c.Expenses().Patch(t.Context(), last.ID, client.ExpensePatch{Notes: client.Set("short")}))(t)
		}
		s.requests()
		must(t, c.Sync(t.Context()))
		if n := count(s.requests(), "POST /v1/sync"); n != 3 {
			t.Errorf("240 mutations went in %d pushes, want 3", n)
		}
		equal(t, "notes", get(c.Expenses().Get(t.Context(), last.ID))(t).Notes, "short")
		equal(t, "rows", len(get(c.Expenses().List(t.Context()))(t)), 120)
		wantInSync(t, c)
	})
}

func TestPush_RejectionIsReportedAndDoesNotBlockOthers(t *testing.T) {
	s := newSite(t)
	var reported []string
	c := s.registered(t, client.NewMemoryStorage(),
		client.WithRejectionHandler(func(_ context.Context, r client.Rejection) {
			reported = append(reported, r.Mutation.ID)
		}))
	good := get(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "1"}))(t)
	bad := get(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "1.001", Date: "never"}))(t)
	also := get(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "2"}))(t)
	must(t, c.Sync(t.Context()))
	rejections := get(c.Rejections(t.Context()))(t)
	if len(rejections) != 1 || rejections[0].Mutation.Key.ID != bad.ID.String() ||
		!slices.Equal(reported, []string{rejections[0].Mutation.ID}) {
		t.Fatalf("rejected: %v, reported: %v", rejections, reported)
	}
	p := rejections[0].Problem()
	if p.Code != "validation_error" || !p.HasFieldError("#/amount", "too_many_digits") || len(p.Errors) != 2 {
		t.Errorf("the problem is %v", p)
	}
	if _, err := c.Expenses().Get(t.Context(), bad.ID); !errors.Is(err, expense.ErrNotFound) {
		t.Errorf("a rejected change is still visible: %v", err)
	}
	must(t, second(c.Expenses().Get(t.Context(), good.ID)))
	must(t, second(c.Expenses().Get(t.Context(), also.ID)))
	must(t, c.DismissRejection(t.Context(), reported[0]))
	if err := c.DismissRejection(t.Context(), reported[0]); !errors.Is(err, expense.ErrNotFound) {
		t.Errorf("dismissed twice: %v", err)
	}
	wantInSync(t, c)
}

// TestPush_MutationBlockedByProxyDoesNotBlockOthers verifies that a mutation refused by a proxy does not block the
// others.
func TestPush_MutationBlockedByProxyDoesNotBlockOthers(t *testing.T) {
	s := newSite(t)
	c := s.registered(t, client.NewMemoryStorage())
	for i := range 9 {
		notes := "fine"
		if i == 4 {
			notes = "DROP TABLE"
		}
		must(t, second(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "1", Notes: notes})))
	}
	s.handler = firewall{s.handler}
	must(t, c.Sync(t.Context()))
	equal(t, "rows", len(get(c.Expenses().List(t.Context()))(t)), 8)
	rejections := get(c.Rejections(t.Context()))(t)
	if len(rejections) != 1 || rejections[0].Problem().Status != 413 {
		t.Errorf("rejected: %v", rejections)
	}
	if _, err := c.Expenses().Put(t.Context(),
		client.ExpenseDraft{Amount: "1", Notes: strings.Repeat("x", 1<<20)}); err == nil {
		t.Error("a change of a mebibyte is queued")
	}
}

// A firewall refuses requests that contain a certain text.
type firewall struct{ http.Handler }

func (h firewall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || strings.Contains(string(body), "DROP TABLE") {
		http.Error(w, "no", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	h.Handler.ServeHTTP(w, r)
}

// conflictingChange creates an expense on both devices. Then first applies change to it and syncs, and other changes
// its amount twice without syncing. It returns the expense's id.
func conflictingChange(t *testing.T, first, other *client.Client,
	change func(*client.Client, uuid.UUID) error) uuid.UUID {
	t.Helper()
	row := get(first.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "5", Notes: "Lunch"}))(t)
	must(t, first.Sync(t.Context()))
	must(t, other.Sync(t.Context()))
	must(t, change(first, row.ID))
	must(t, first.Sync(t.Context()))
	must(t, second(other.Expenses().Patch(t.Context(), row.ID, client.ExpensePatch{Amount: client.Set("8")})))
	must(t, second(other.Expenses().Patch(t.Context(), row.ID, client.ExpensePatch{Amount: client.Set("9")})))
	return row.ID
}

func amountOf(amount string) func(*client.Client, uuid.UUID) error {
	return func(c *client.Client, id uuid.UUID) error {
		_, err := c.Expenses().Patch(context.Background(), id, client.ExpensePatch{Amount: client.Set(amount)})
		return err
	}
}

func TestConflict_UserDecides(t *testing.T) {
	for name, c := range map[string]struct {
		decide client.Decision
		want   string
	}{
		"for what the server has": {client.KeepServer(), "7.00"},
		"for the device's change": {client.KeepLocal(), "9.00"},
		"for something else":      {client.KeepEdited(client.ExpensePatch{Amount: client.Set("6.5")}), "6.50"},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", late: ", late), func(t *testing.T) {
				s := newSite(t)
				phone := s.registered(t, client.NewMemoryStorage())
				var calls int
				tablet := s.secondDevice(t,
					client.WithConflictHandler(func(_ context.Context, conflict client.Conflict) client.Decision {
						calls++
						var mine, theirs client.Expense
						must(t, errors.Join(conflict.LocalRow(&mine), conflict.ServerRow(&theirs)))
						if theirs.Amount != "7.00" || mine.Amount != "8" && mine.Amount != "9" || conflict.Problem().Code != "conflict" {
							t.Errorf("the handler got %v and %v, problem %v", mine, theirs, conflict.Problem())
						}
						if late {
							return client.Decision{}
						}
						return c.decide
					}))
				id := conflictingChange(t, phone, tablet, amountOf("7"))
				must(t, tablet.Sync(t.Context()))
				equal(t, "calls of the handler", calls, 2)
				if late {
					equal(t, "amount until it is decided", get(tablet.Expenses().Get(t.Context(), id))(t).Amount, "7.00")
					for _, conflict := range get(tablet.Conflicts(t.Context()))(t) {
						must(t, tablet.ResolveConflict(t.Context(), conflict.Mutation.ID, c.decide))
					}
					must(t, tablet.Sync(t.Context()))
				}
				equal(t, "conflicts left", len(get(tablet.Conflicts(t.Context()))(t)), 0)
				must(t, phone.Sync(t.Context()))
				equal(t, "amount", get(phone.Expenses().Get(t.Context(), id))(t).Amount, c.want)
				wantInSync(t, tablet)
			})
		}
	}
}

func TestConflict_ChangeOfDeletedRowBecomesNewRow(t *testing.T) {
	for _, late := range []bool{false, true} {
		s := newSite(t)
		phone := s.registered(t, client.NewMemoryStorage())
		tablet := s.secondDevice(t,
			client.WithConflictHandler(func(_ context.Context, conflict client.Conflict) client.Decision {
				if !conflict.RowDeleted() {
					t.Errorf("the conflict is %v", conflict.Problem())
				}
				if late {
					return client.Decision{}
				}
				return client.KeepLocal()
			}))
		id := conflictingChange(t, phone, tablet,
			func(c *client.Client, id uuid.UUID) error { return c.Expenses().Delete(t.Context(), id) })
		must(t, tablet.Sync(t.Context()))
		if late {
			conflicts := get(tablet.Conflicts(t.Context()))(t)
			must(t, tablet.ResolveConflict(t.Context(), conflicts[0].Mutation.ID, client.KeepLocal()))
			err := tablet.ResolveConflict(t.Context(), conflicts[1].Mutation.ID, client.KeepLocal())
			if !errors.Is(err, expense.ErrNotFound) {
				t.Errorf("a conflict resolved by the new row can be resolved again: %v", err)
			}
			must(t, tablet.Sync(t.Context()))
		}
		must(t, phone.Sync(t.Context()))
		rows := get(phone.Expenses().List(t.Context()))(t)
		if len(rows) != 1 || rows[0].ID == id || rows[0].Amount != "9.00" || rows[0].Notes != "Lunch" {
			t.Errorf("the ledger holds %v", rows)
		}
		wantInSync(t, tablet)
	}
}

func TestPatch_SendsAmountWithCurrency(t *testing.T) {
	s := newSite(t)
	phone := s.registered(t, client.NewMemoryStorage())
	tablet := s.secondDevice(t)
	row := get(phone.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "5"}))(t)
	must(t, phone.Sync(t.Context()))
	must(t, tablet.Sync(t.Context()))
	must(t, second(tablet.Expenses().Patch(t.Context(), row.ID, client.ExpensePatch{Amount: client.Set("6")})))
	must(t, second(phone.Expenses().Patch(t.Context(), row.ID, client.ExpensePatch{Currency: client.Set("USD")})))
	must(t, phone.Sync(t.Context()))
	must(t, tablet.Sync(t.Context()))
	conflicts := get(tablet.Conflicts(t.Context()))(t)
	if len(conflicts) != 1 {
		t.Fatalf("%d conflicts", len(conflicts))
	}
	must(t, tablet.ResolveConflict(t.Context(), conflicts[0].Mutation.ID, client.KeepLocal()))
	must(t, tablet.Sync(t.Context()))
	got := get(tablet.Expenses().Get(t.Context(), row.ID))(t)
	equal(t, "money", got.Amount+" "+got.Currency, "6.00 EUR")
}

func TestPush_QueuedEditsOfRowDoNotConflict(t *testing.T) {
	s := newSite(t)
	c := s.registered(t, client.NewMemoryStorage())
	row := get(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "5"}))(t)
	for i, step := range []func(context.Context) error{c.Push, c.Pull, c.Push, c.Sync, c.Push, c.Push} {
		amount := fmt.Sprintf("%d.00", i+6)
		must(t, second(c.Expenses().Patch(t.Context(), row.ID, client.ExpensePatch{Amount: client.Set(amount)})))
		equal(t, "amount", get(c.Expenses().Get(t.Context(), row.ID))(t).Amount, amount)
		must(t, step(t.Context()))
		equal(t, "amount", get(c.Expenses().Get(t.Context(), row.ID))(t).Amount, amount)
	}
	must(t, c.Sync(t.Context()))
	equal(t, "conflicts", len(get(c.Conflicts(t.Context()))(t)), 0)
	must(t, c.Expenses().Delete(t.Context(), row.ID))
	_, err := c.Expenses().Put(t.Context(), client.ExpenseDraft{ID: row.ID, Amount: "1"})
	if !errors.Is(err, expense.ErrGone) {
		t.Errorf("a deleted id is reused: %v", err)
	}
	wantInSync(t, c)
}

func TestPull_NewEpochKeepsQueueAndDropsMissingRows(t *testing.T) {
	onEachStorage(t, func(t *testing.T, open func() client.Storage) {
		s := newSite(t)
		c := s.registered(t, open(), client.WithPageSize(3))
		account := get(c.Account(t.Context()))(t)
		owner := expense.OwnerID(account.ID.String())
		old := get(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "1"}))(t)
		must(t, c.Sync(t.Context()))
		unsent := get(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "2"}))(t)
		// The server loses the row without a tombstone, as after a restore from a backup.
		must(t, c.Do(t.Context(), http.MethodDelete, "/v1/expenses/"+old.ID.String(), nil, nil))
		must(t, s.store.Purge(t.Context(), time.Now().Add(1000*24*time.Hour), time.Now().Add(1000*24*time.Hour)))
		must(t, s.store.StartEpoch(t.Context(), owner))
		// The full pull is interrupted, and the process ends.
		pages := 0
		s.intercept(func(r *http.Request, serve func() *http.Response) (*http.Response, error) {
			if pages++; pages > 3 {
				return nil, errLost
			}
			return serve(), nil
		})
		if err := c.Sync(t.Context()); !errors.Is(err, errLost) {
			t.Fatal(err)
		}
		s.intercept(nil)
		c = s.device(t, open(), client.WithPageSize(3))
		equal(t, "rows before the fetch is done", len(get(c.Expenses().List(t.Context()))(t)), 2)
		must(t, c.Sync(t.Context()))
		rows := get(c.Expenses().List(t.Context()))(t)
		if len(rows) != 1 || rows[0].ID != unsent.ID || rows[0].Unacknowledged {
			t.Errorf("the device holds %v", rows)
		}
		wantInSync(t, c)
		must(t, c.RequestFullPull(t.Context()))
		must(t, c.Pull(t.Context()))
		wantInSync(t, c)
	})
}

func TestRequest_WaitsForRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		c := s.registered(t, client.NewMemoryStorage(), client.WithMaxAttempts(4))
		must(t, second(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "1"})))
		var status []int
		header := http.Header{"Retry-After": {"7"}}
		s.intercept(func(r *http.Request, serve func() *http.Response) (*http.Response, error) {
			if len(status) == 0 {
				return serve(), nil
			}
			now := status[0]
			status = status[1:]
			if now == 0 {
				serve().Body.Close()
				return nil, errLost
			}
			return &http.Response{StatusCode: now, Header: header, Body: io.NopCloser(strings.NewReader("busy"))}, nil
		})
		begin := time.Now()
		status = []int{503, 429, 0}
		must(t, c.Sync(t.Context()))
		if took := time.Since(begin); took < 14*time.Second || took > 30*time.Second {
			t.Errorf("two waits of 7 s and a lost response took %s", took)
		}
		equal(t, "rows", len(get(c.Expenses().List(t.Context()))(t)), 1)
		wantInSync(t, c)

		status = []int{500, 502, 504, 500, 500}
		var p *client.Problem
		if err := c.Pull(t.Context()); !errors.As(err, &p) || p.Status != 500 || len(status) != 1 {
			t.Errorf("after four attempts: %v, %v left", err, status)
		}
		status, header = nil, http.Header{"Retry-After": {time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat)}}
		c = s.secondDevice(t, client.WithClock(time.Now), client.WithMaxAttempts(4))
		status = []int{503, 503}
		begin = time.Now()
		if err := c.Pull(t.Context()); !errors.As(err, &p) || p.RetryAfter < 9*time.Minute ||
			time.Since(begin) > time.Second {
			t.Errorf("Retry-After of ten minutes: %v", err)
		}
	})
}

func TestDo_RetriedWriteHappensOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		c := s.registered(t, client.NewMemoryStorage(), client.WithMaxAttempts(3))
		lose := 2
		s.intercept(func(r *http.Request, serve func() *http.Response) (*http.Response, error) {
			if lose--; lose >= 0 {
				serve().Body.Close()
				return nil, errLost
			}
			return serve(), nil
		})
		var made client.Expense
		must(t, c.Do(t.Context(), http.MethodPost, "/v1/expenses", client.ExpenseDraft{Amount: "3"}, &made))
		must(t, c.Pull(t.Context()))
		rows := get(c.Expenses().List(t.Context()))(t)
		if len(rows) != 1 || rows[0].ID != made.ID {
			t.Errorf("one POST left %v", rows)
		}
		var csv strings.Builder
		must(t, c.Do(t.Context(), http.MethodGet, "/v1/exports/expenses.csv", nil, &csv))
		if !strings.Contains(csv.String(), made.ID.String()) {
			t.Errorf("the export is %q", csv.String())
		}
		var p *client.Problem
		err := c.Do(t.Context(), http.MethodGet, "/v1/reports/monthly?month=13", nil, nil)
		if !errors.As(err, &p) || p.Status != 422 && p.Status != 400 || p.RequestID == "" || len(p.Errors) == 0 {
			t.Errorf("a problem: %v", err)
		}
	})
}
