package export_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

func TestTry(t *testing.T) {
	st := bigLedger(t, 300)
	var rep *export.Report
	err := st.View(t.Context(), "anna", func(r store.Reader) (err error) {
		rep, err = export.ReadReport(t.Context(), r, expense.Range{From: expense.MustDate("2025-01-01"), To: expense.MustDate("2025-12-31")},
			export.ReportOptions{Who: "Anna Müller <anna@example.com>", Now: time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	start := time.Now()
	if err := rep.WritePDF(&buf); err != nil {
		t.Fatal(err)
	}
	fmt.Println(time.Since(start), buf.Len())
	start = time.Now()
	rep.WritePDF(&bytes.Buffer{})
	fmt.Println(time.Since(start), buf.Len())
	os.WriteFile("/tmp/try.pdf", buf.Bytes(), 0o644)
}

func bigLedger(t testing.TB, n int) store.Store {
	t.Helper()
	st := memstore.New()
	home, locale := "EUR", "de"
	settings, err := expense.NewSettings(expense.SettingsDraft{HomeCurrency: &home, Locale: &locale})
	if err != nil {
		t.Fatal(err)
	}
	ledger := expense.StarterLedger("anna", settings, time.Unix(0, 0))
	if _, err := st.CreateLedger(t.Context(), "anna", ledger); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	notes := []string{
		"Mittagessen im Café „Größe“", "Ραντεβού στην Αθήνα, €12", "Обед в Москве ₽", "Ramen 拉麺 in 東京, 漢字とかな", "Emoji 🍜 lunch 👨‍👩‍👧", "", "Short",
		"A long note that wraps: " + strings.Repeat("the train to Zürich was late again, ", 12), "First line\nsecond line\n\nfourth line", "عربي and עברית",
		strings.Repeat("W", 120), "naïve façade Å ø ł ő ș ğ ı İ ₹ 500 ¥ 1000 £ ₩ ₺ ₽ 한국어",
	}
	batch := []expense.Expense{}
	for i := range n {
		cur := []string{"EUR", "USD", "JPY", "INR", "KWD", "CNY"}[rnd.IntN(6)]
		currency := expense.MustCurrency(cur)
		amount, _ := expense.MoneyFromMinor(1+rnd.Int64N(100000), currency)
		e := expense.Expense{
			ID: uuid.New(), Amount: amount, Date: expense.MustDate("2025-01-01").AddDays(rnd.IntN(365)), Notes: notes[rnd.IntN(len(notes))],
			CategoryID: ledger.Categories[rnd.IntN(4)].ID, CreatedAt: time.Unix(int64(i), 0).UTC(), UpdatedAt: time.Unix(int64(i), 0).UTC(),
		}
		e.Home, _ = expense.MoneyFromMinor(0, settings.Home)
		switch {
		case cur == "EUR":
			e.Rate = expense.Rate{Value: expense.MustFactor("1"), Date: e.Date, Source: expense.SourceIdentity}
		case cur != "KWD":
			e.Rate = expense.Rate{Value: expense.MustFactor("0.00612345678901234567"[:6+rnd.IntN(14)]), Date: e.Date, Source: "ecb"}
		}
		if !e.Rate.IsZero() {
			e.Home, err = e.Rate.Convert(amount, settings.Home)
			if err != nil {
				t.Fatal(err)
			}
		}
		batch = append(batch, e)
	}
	if err := st.Update(t.Context(), "anna", func(tx store.Tx) error { _, err := tx.PutExpenses(t.Context(), batch...); return err }); err != nil {
		t.Fatal(err)
	}
	return st
}
