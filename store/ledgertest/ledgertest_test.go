package ledgertest_test

import (
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

func TestCreate_HasStarterCategories(t *testing.T) {
	st := memstore.New()
	ledger := ledgertest.Create(t, st, "ada", time.Now(), expense.SettingsDraft{HomeCurrency: new("USD")})
	stored, err := st.Reader("ada").Category(t.Context(), ledgertest.CategoryID(t, ledger, "Food"))
	if err != nil || stored.Name != "Food" {
		t.Errorf("the stored category is %+v, %v", stored, err)
	}
}
