package storetest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/store/storetest"
)

// TestGuarantees compares the table guarantees with the comments of the interfaces and with the checks. Each sentence
// of a comment has checks, or a reason why it has none. Each check that the table names exists. The table names each
// check. A sentence can be reworded without a change of the table.
func TestGuarantees(t *testing.T) {
	documented := make(map[string][]string)
	for _, file := range []string{"store/store.go", "store/import.go", "store/watch.go", "expense/ledger.go",
		"budget/budget.go", "recurrence/rule.go"} {
		maps.Copy(documented, interfaceSentences(t, filepath.Join("..", "..", filepath.FromSlash(file))))
	}
	unnamed := make(map[string]bool)
	for _, c := range storetest.Checks() {
		unnamed[c.ID] = true
	}
	exists := maps.Clone(unnamed)
	table := guarantees()
	for _, symbol := range slices.Sorted(maps.Keys(documented)) {
		sentences, rows := documented[symbol], table[symbol]
		if len(rows) != len(sentences) {
			var list strings.Builder
			for i, sentence := range sentences {
				fmt.Fprintf(&list, "\n\t%d. %s", i+1, sentence)
			}
			t.Errorf("the comment of %s has %d sentences, the table has %d rows:%s", symbol, len(sentences), len(rows), &list)
		}
		for i, row := range rows {
			if row == "" {
				t.Errorf("%s, sentence %d, has neither checks nor a reason why it has none", symbol, i+1)
			}
			if strings.HasPrefix(row, untested) {
				continue
			}
			for id := range strings.FieldsSeq(row) {
				if !exists[id] {
					t.Errorf("%s, sentence %d: there is no check %s", symbol, i+1, id)
				}
				delete(unnamed, id)
			}
		}
	}
	for symbol := range table {
		if documented[symbol] == nil {
			t.Errorf("the table has the row %s, which no interface declares", symbol)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(unnamed)) {
		t.Errorf("the table does not name the check %s", id)
	}
}

// sentences splits a text into sentences.
func sentences(text string) []string {
	return strings.Split(strings.Join(strings.Fields(text), " "), ". ")
}

// interfaceSentences returns the sentences of the comments of the interfaces in a file that a store implements, and of
// their methods, by symbol.
func interfaceSentences(t *testing.T, path string) map[string][]string {
	t.Helper()
	documented := []string{"Store", "Reader", "Tx", "ImportReader", "ImportTx", "Watcher", "Prefetcher", "PositionReader"}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	list := make(map[string][]string)
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			typ, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			methods, ok := typ.Type.(*ast.InterfaceType)
			if !ok || !slices.Contains(documented, typ.Name.Name) {
				continue
			}
			symbol := file.Name.Name + "." + typ.Name.Name
			list[symbol] = sentences(general.Doc.Text())
			for _, method := range methods.Methods.List {
				if len(method.Names) > 0 { // else an embedded interface
					list[symbol+"."+method.Names[0].Name] = sentences(method.Doc.Text())
				}
			}
		}
	}
	return list
}

// untested begins a row of the table that has no check.
const untested = "untested: "

// guarantees maps each symbol to rows, one for each sentence of its comment, in their order. A row has the ids of the
// checks that cover the sentence, or the reason why it has none.
func guarantees() map[string][]string {
	const statement = untested + "describes or refers; it states no guarantee"
	return map[string][]string{
		"store.Store": {
			"ledgers/owner-ids queries/owner-ids transactions/isolation",
			"ledgers/create-concurrently transactions/serialised transactions/versions-concurrent " +
				"transactions/view-concurrent budgets/shares-no-memory rules/post-concurrent",
			"transactions/isolation all/isolation ledgers/owner-ids queries/owner-ids",
			"ledgers/owner-invalid all/owner-invalid",
			untested + "each store tests with its own database that it becomes unavailable and available again",
		},
		"store.Store.CreateLedger": {"ledgers/create ledgers/create-concurrently", "ledgers/create"},
		"store.Store.EraseLedger":  {"ledgers/erase all/erase", "ledgers/erase all/erase"},
		"store.Store.Reader":       {"transactions/reader-sees-committed", "transactions/reader-sees-committed"},
		"store.Store.View": {
			"settings/view-snapshot transactions/view-snapshot transactions/view-concurrent all/view-snapshot",
			"settings/view-snapshot transactions/view-snapshot transactions/view-large-update",
		},
		"store.Store.Update": {
			"settings/update-rollback settings/update-panic transactions/rollback transactions/panic transactions/cancelled " +
				"transactions/serialised rules/post-atomic rules/post-concurrent all/rollback all/panic all/cancelled all/model",
			"settings/update-missing",
			"settings/update-rollback transactions/rollback all/rollback",
			untested + "a duty of the caller; TestRun_AcceptsStoreThatRetries checks that the checks allow it",
			"transactions/versions transactions/versions-concurrent all/versions all/model",
			untested + "each store tests with its own database that a committed write survives a crash",
			"transactions/cancelled all/cancelled", "transactions/cancelled all/cancelled",
		},
		"store.ImportReader":              {statement, "imports/values imports/rows"},
		"store.ImportReader.Imports":      {"imports/values", "imports/values"},
		"store.ImportReader.Import":       {"imports/values", "imports/values"},
		"store.ImportReader.ImportedRows": {"imports/rows"},
		"store.ImportReader.RowsOfImport": {"imports/rows"},
		"store.ImportReader.MergedCategory": {"imports/merged-category", "imports/merged-category",
			"imports/merged-category"},
		"store.ImportTx":                 {statement, "imports/values", "imports/rows"},
		"store.ImportTx.PutImport":       {"imports/values"},
		"store.ImportTx.PutImportedRows": {"imports/rows", "imports/rows"},

		"store.Store.Owners":        {"ledgers/owners settings/owners-loop-body"},
		"store.Store.PendingOwners": {"queries/pending-owners"},
		"store.Store.BudgetOwners":  {"budgets/owners"},
		"store.Store.DueOwners": {
			"rules/due-owners rules/due-owners-many", "rules/due-owners rules/due-owners-zones",
			"rules/due-owners rules/due-owners-many", "rules/due-owners",
		},
		"store.Store.PutQuotes": {"quotes/values", "quotes/kept", "quotes/kept"},
		"store.Store.Quotes":    {"quotes/values"},
		"store.Store.StartEpoch": {
			"changes/start-epoch", untested + "says when to call it", "changes/start-epoch",
		},
		"store.Store.Purge": {
			"purge/records purge/tombstones purge/purged-through", "purge/keeps-derived purge/post-once",
			"imports/merged-category", "purge/purged-through",
		},
		"store.Store.Ping":  {"ledgers/ping"},
		"store.Store.Close": {untested + "Run closes every store and reports an error", untested + "a duty of the caller"},

		"store.Reader": {
			"transactions/reader-sees-committed", statement, "ledgers/missing budgets/alert-stays changes/values",
		},
		"store.Reader.State": {"settings/state changes/in-update"},
		"store.Reader.Changes": {
			"changes/values changes/pages changes/in-update", "changes/concurrent", "changes/concurrent changes/pages",
		},
		"store.Tx": {
			"transactions/reads-own-writes all/reads-own-writes", untested + "a duty of the caller",
		},
		"store.Tx.IdempotencyRecord": {"idempotency/put-values", "idempotency/concurrent idempotency/waits"},
		"store.Tx.PutIdempotencyRecord": {
			"idempotency/put-values idempotency/put-rejected idempotency/rollback", "idempotency/put-values all/versions",
			"idempotency/put-invalid-key",
		},

		"store.Watcher":       {statement, statement, statement, statement},
		"store.Watcher.Watch": {"optional/watch", untested + "a duty of the caller", untested + "a duty of the caller"},
		"store.Prefetcher":    {statement, statement},
		"store.Prefetcher.Prefetch": {
			"optional/prefetch", untested + "the stores count their statements", "optional/prefetch",
		},
		"store.PositionReader":           {statement, statement},
		"store.PositionReader.Positions": {"optional/positions", "optional/positions", "optional/positions"},

		"expense.Reader":                 {statement, statement, statement},
		"expense.Reader.Settings":        {"settings/put-values ledgers/create", "ledgers/missing"},
		"expense.Reader.Category":        {"categories/put-values", "categories/delete merge/moves"},
		"expense.Reader.CategoryByName":  {"categories/names", "categories/names categories/delete"},
		"expense.Reader.MergedInto":      {"merge/merged-into", "merge/merged-into"},
		"expense.Reader.Categories":      {"categories/names ledgers/create"},
		"expense.Reader.Expense":         {"expenses/put-values expenses/put-largest-values", "expenses/delete"},
		"expense.Reader.KnownExpenseIDs": {"expenses/known-ids expenses/delete purge/post-once"},
		"expense.Reader.Expenses": {
			"queries/orders queries/first-by-amount queries/after queries/filters queries/text queries/many-rows all/model",
			"queries/error-last",
			"queries/loop-body queries/many-rows settings/owners-loop-body",
		},
		"expense.Reader.Totals": {
			"totals/ranges", "totals/ranges", "totals/ranges totals/after-changes",
			"totals/after-changes totals/largest merge/totals transactions/view-concurrent all/model",
		},
		"expense.Tx": {
			statement,
			"expenses/put-values",
			"categories/put-existing-id expenses/put-existing-id rules/put-existing-id budgets/put-existing-id",
			"settings/put-compares-version categories/put-compares-version expenses/put-compares-version " +
				"rules/put-compares-version budgets/put-compares-version",
			"settings/put-compares-version expenses/put-compares-version transactions/rejected",
			"settings/put-rejected categories/put-rejected transactions/rejected rules/put-rejected budgets/put-rejected " +
				"merge/rejected idempotency/put-rejected all/rejected",
			"transactions/versions", "transactions/versions all/versions",
			"transactions/reads-own-writes all/reads-own-writes",
		},
		"expense.Tx.PutSettings": {"settings/put-values", "settings/put-default-category categories/delete"},
		"expense.Tx.PutCategories": {
			"categories/put-values", "categories/names categories/put-rejected", "rules/category-clears-failures",
			"rules/category-clears-failures", "rules/category-clears-failures",
		},
		"expense.Tx.DeleteCategory": {
			"categories/delete",
			"categories/delete expenses/delete-category-in-use rules/delete-category-in-use budgets/delete-category-in-use",
			"merge/delete-category-in-use",
		},
		"expense.Tx.MergeCategory": {
			"merge/moves merge/totals all/model", "merge/moves", "merge/moves merge/ends-budget",
			"merge/ends-budget", "merge/ends-budget merge/has-budgets", "merge/ends-budget", "merge/ends-budget",
			"merge/moves merge/merged-into changes/values", "merge/clears-failures", "merge/clears-failures", "merge/rejected",
		},
		"expense.Tx.PutExpenses": {
			"expenses/put-values expenses/put-changes", "expenses/put-guard", "expenses/put-volume",
			"expenses/put-unknown-category", "expenses/put-unknown-category",
		},
		"expense.Tx.DeleteExpenses": {"expenses/delete all/model", "expenses/delete transactions/rejected"},

		"budget.Reader": {statement},
		"budget.Reader.BudgetSnapshot": {
			"budgets/put-values budgets/snapshot-upcoming budgets/snapshot-consistent", "budgets/snapshot-missing",
		},
		"budget.Reader.Budget": {"budgets/put-values", "budgets/delete"},
		"budget.Reader.Totals": {"totals/ranges"},
		"budget.Reader.Alerts": {"budgets/alert-values", "budgets/alert-values", "budgets/alert-values"},
		"budget.Tx": {
			statement,
			"budgets/put-guard budgets/put-compares-version budgets/put-existing-id budgets/put-rejected budgets/alert-rejected",
		},
		"budget.Tx.PutBudgets":   {"budgets/put-values budgets/put-guard", "budgets/put-rejected"},
		"budget.Tx.DeleteBudget": {"budgets/delete"},
		"budget.Tx.HasBudgets": {
			"budgets/has-budgets merge/has-budgets", untested + "benchmarks show its cost",
		},
		"budget.Tx.PutAlerts": {"budgets/alert-values budgets/alert-rejected", "budgets/alert-stays merge/alert-stays"},

		"recurrence.Reader":       {statement},
		"recurrence.Reader.Rule":  {"rules/put-values", "rules/delete"},
		"recurrence.Reader.Rules": {"rules/put-values"},
		"recurrence.Tx": {
			statement, "rules/put-guard rules/put-compares-version rules/put-existing-id rules/put-rejected",
		},
		"recurrence.Tx.PutRules":   {"rules/put-values rules/put-guard", "rules/put-unknown-category"},
		"recurrence.Tx.DeleteRule": {"rules/delete", "rules/delete"},
	}
}
