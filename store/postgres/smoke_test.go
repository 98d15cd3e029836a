package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

func TestSmoke(t *testing.T) { smoke(t, open(t)) }

func smoke(t *testing.T, st store.Store) {
	ctx := t.Context()
	mem := memstore.New()
	settings, _ := expense.NewSettings(expense.SettingsDraft{})
	ledger := expense.StarterLedger("ann", settings, time.Now())
	for _, s := range []store.Store{st, mem} {
		if made, err := s.CreateLedger(ctx, "ann", ledger); err != nil || !made {
			t.Fatal(made, err)
		}
		if made, err := s.CreateLedger(ctx, "ann", ledger); err != nil || made {
			t.Fatal(made, err)
		}
	}
	if err := st.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var live []uuid.UUID
	for round := range 60 {
		n := 1 + rng.IntN(5)
		if round%10 == 9 {
			n = 130
		}
		var batch []expense.Expense
		for range n {
			e := expense.Expense{ID: uuid.Must(uuid.NewV7()), Amount: expense.MustMoney(fmt.Sprint(1+rng.IntN(1000)), "USD"),
				Date: expense.MustDate("2026-01-01").AddDays(rng.IntN(120)), CategoryID: ledger.Categories[rng.IntN(5)].ID, Notes: "Größe X",
				Home: expense.MustMoney("0", "EUR"), CreatedAt: expense.Instant(time.Now()), UpdatedAt: expense.Instant(time.Now())}
			if rng.IntN(3) > 0 {
				e.Rate = expense.Rate{Value: expense.MustFactor("0.9"), Date: e.Date, Source: "ecb"}
				e.Home, _ = e.Rate.Convert(e.Amount, expense.MustCurrency("EUR"))
			}
			batch = append(batch, e)
			live = append(live, e.ID)
		}
		if round > 3 && round%3 == 0 {
			old, err := mem.Reader("ann").Expense(ctx, live[0])
			if err != nil {
				t.Fatal(err)
			}
			old.Notes, old.Date = "changed", old.Date.AddDays(20)
			batch = append(batch, old)
		}
		del := uuid.Nil
		if round%4 == 3 {
			del = live[1]
			live = append(live[:1], live[2:]...)
		}
		for _, s := range []store.Store{st, mem} {
			err := s.Update(ctx, "ann", func(tx store.Tx) error {
				v, err := tx.PutExpenses(ctx, batch...)
				if err != nil {
					return err
				}
				if v != expense.Version(round+2) {
					return fmt.Errorf("version %d in round %d", v, round)
				}
				if del != uuid.Nil {
					_, err = tx.DeleteExpenses(ctx, del)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			err = s.Update(ctx, "ann", func(tx store.Tx) error {
				e := batch[0]
				_, err := tx.PutExpenses(ctx, e)
				if !errors.Is(err, expense.ErrExists) {
					return fmt.Errorf("want exists: %v", err)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	compare(t, ctx, st, mem)
	for _, s := range []store.Store{st, mem} {
		err := s.Update(ctx, "ann", func(tx store.Tx) error {
			_, err := tx.MergeCategory(ctx, ledger.Categories[0].ID, ledger.Categories[1].ID, expense.MustMonth("2026-03"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	compare(t, ctx, st, mem)
}

func compare(t *testing.T, ctx context.Context, st, mem store.Store) {
	t.Helper()
	d := expense.MustDate
	for by := expense.Whole; by <= expense.ByMonth; by++ {
		q := expense.TotalsQuery{By: by, Ranges: []expense.Range{{}, {From: d("2026-01-01"), To: d("2026-01-31")}, {From: d("2026-01-05"), To: d("2026-03-17")},
			{To: d("2026-02-03")}, {From: d("2026-02-03")}, {From: d("2026-02-03"), To: d("2026-02-09")}, {From: d("2026-03-03"), To: d("2026-02-09")}}}
		want, err := mem.Reader("ann").Totals(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := st.Reader("ann").Totals(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(want) == 0 || !reflect.DeepEqual(want, got) {
			t.Fatalf("by %d: %v\n%v", by, len(want), len(got))
		}
	}
	yes := true
	for sort := expense.NewestFirst; sort <= expense.EarliestFirst; sort++ {
		for _, f := range []expense.Filter{{}, {Text: "GRÖSSE"}, {Text: "chan"}, {Pending: &yes}, {Currency: expense.MustCurrency("USD"), AmountMin: expense.MustMoney("500", "USD")},
			{Dates: expense.Range{From: d("2026-02-01"), To: d("2026-02-20")}}} {
			want := list(t, mem, ctx, expense.Query{Sort: sort, Filter: f})
			got := list(t, st, ctx, expense.Query{Sort: sort, Filter: f})
			if !reflect.DeepEqual(want, got) {
				t.Fatalf("sort %d %v: %d %d", sort, f, len(want), len(got))
			}
			if len(want) > 10 {
				after := sort.Key(want[7])
				if got := list(t, st, ctx, expense.Query{Sort: sort, Filter: f, After: after, Limit: 2}); !reflect.DeepEqual(got, want[8:10]) {
					t.Fatal("after")
				}
			}
		}
	}
	want, err := mem.Reader("ann").Book(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got, err := st.Reader("ann").Book(ctx)
	if err != nil || !reflect.DeepEqual(want, got) {
		t.Fatal(err, want, got)
	}
}

func list(t *testing.T, st store.Store, ctx context.Context, q expense.Query) (all []expense.Expense) {
	t.Helper()
	for e, err := range st.Reader("ann").Expenses(ctx, q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}
