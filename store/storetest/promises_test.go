package storetest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/store/storetest"
)

// unguarded lists the sentences that no check can hold a store to. Every other sentence of the interfaces has one.
var unguarded = []string{
	// Each engine tests these on its own database.
	"store.Store: When the database cannot be reached, methods return ErrUnavailable; they work again when it is back.",
	"store.Store.Update: When Update returns nil, what was written survives a crash.",

	// These are duties of the caller. Run closes every store that it opened, and reports an error.
	"store.Store.Update: fn may run more than once, so it has no effect outside tx; it does no slow work.",
	"store.Store.Close: Close frees what the store holds; nothing may be called after it.",
	"store.Tx: It is used by one goroutine, and not after fn has returned.",

	"budget.Tx.HasBudgets: It is cheap: it follows every write.",

	// These describe or refer, and promise nothing by themselves.
	"store.Reader: What it promises stands at the role interfaces it is made of.",
	"expense.Reader: Reader is what the use cases of this package read of one owner's ledger.",
	"expense.Reader: The store's conformance suite holds every implementation to these sentences.",
	"expense.Tx: Tx is what the use cases of this package do to one owner's ledger.",
	"budget.Reader: Reader is what the use cases of this package read of one owner's ledger.",
	"recurrence.Reader: Reader is what the use cases of this package read of one owner's ledger.",
}

// TestEverySentenceIsGuarded reads the interfaces' comments: each sentence is quoted by a check, and no check quotes
// another.
func TestEverySentenceIsGuarded(t *testing.T) {
	said := make(map[string]bool)
	for _, file := range []string{"store/store.go", "expense/ledger.go", "budget/budget.go", "recurrence/rule.go"} {
		for _, sentence := range sentences(t, filepath.Join("..", "..", filepath.FromSlash(file))) {
			said[sentence] = true
		}
	}
	guarded := make(map[string]bool)
	for name, guards := range storetest.Guards() {
		if len(guards) == 0 {
			t.Errorf("the check %s guards no sentence", name)
		}
		for _, sentence := range guards {
			guarded[sentence] = true
			if !said[sentence] {
				t.Errorf("the check %s guards what no interface says: %q", name, sentence)
			}
		}
	}
	for _, sentence := range unguarded {
		if !said[sentence] || guarded[sentence] {
			t.Errorf("listed as unguarded, but not said or guarded after all: %q", sentence)
		}
	}
	for sentence := range said {
		if !guarded[sentence] && !slices.Contains(unguarded, sentence) {
			t.Errorf("no check guards %q", sentence)
		}
	}
}

// sentences returns what the comments of a file's interfaces and of their methods say, each after the name it stands at.
func sentences(t *testing.T, path string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	add := func(name string, doc *ast.CommentGroup) {
		text := strings.Join(strings.Fields(doc.Text()), " ")
		for rest := text; rest != ""; {
			sentence, after, found := strings.Cut(rest, ". ")
			if found {
				sentence += "."
			}
			said = append(said, file.Name.Name+"."+name+": "+sentence)
			rest = after
		}
	}
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
			if !ok || !slices.Contains([]string{"Store", "Reader", "Tx"}, typ.Name.Name) {
				continue
			}
			add(typ.Name.Name, general.Doc)
			for _, method := range methods.Methods.List {
				if len(method.Names) == 1 {
					if method.Doc == nil {
						t.Errorf("%s.%s.%s promises nothing: it has no comment", file.Name.Name, typ.Name.Name, method.Names[0])
						continue
					}
					add(typ.Name.Name+"."+method.Names[0].Name, method.Doc)
				}
			}
		}
	}
	return said
}
