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

// untested lists the sentences of the interfaces that no check covers.
var untested = []string{
	// Each store tests these with its own database.
	"store.Store: They must return ErrUnavailable while the database cannot be reached, " +
		"and work again when it can.",
	"store.Store.Update: When Update returns nil, the writes must survive a crash.",

	// These are duties of the caller. Run closes every store that it opened, and reports an error.
	"store.Store.Update: Update may run fn again after a conflict, so fn must have no effects outside tx, " +
		"and it must be quick.",
	"store.Store.Close: Close releases the store's resources.",
	"store.Store.Close: No method may be called afterwards.",
	"store.Tx: Only one goroutine may use it, and only until fn returns.",

	// This is tested by benchmarks.
	"budget.Tx.HasBudgets: It must be cheap, because it is called after every write.",

	// These describe or refer. They state no guarantee.
	"store.Reader: The role interfaces that it embeds state the guarantees of their methods.",
	"expense.Reader: Reader reads one owner's ledger.",
	"expense.Reader: It has the methods that the use cases of this package need.",
	"expense.Reader: The conformance suite of package store/storetest checks that a store fulfils this documentation.",
	"expense.Tx: Tx reads and writes one owner's ledger within one transaction, which the store's method " +
		"Update runs.",
	"budget.Reader: Reader reads the budgets of one ledger.",
	"budget.Tx: Tx reads and writes the budgets of one ledger.",
	"recurrence.Reader: Reader reads the rules of one ledger.",
	"recurrence.Tx: Tx reads and writes the rules of one ledger.",
}

// TestGuarantees compares the guarantees that the checks quote with the comments of the interfaces. Each sentence must
// be quoted by a check or listed in untested. Each quote must be part of a comment.
func TestGuarantees(t *testing.T) {
	documented := make(map[string]bool)
	for _, file := range []string{"store/store.go", "expense/ledger.go", "budget/budget.go", "recurrence/rule.go"} {
		for _, sentence := range interfaceSentences(t, filepath.Join("..", "..", filepath.FromSlash(file))) {
			documented[sentence] = true
		}
	}
	covered := make(map[string]bool)
	for name, guarantees := range storetest.Guarantees() {
		if len(guarantees) == 0 {
			t.Errorf("the check %s covers no guarantee", name)
		}
		for _, guarantee := range guarantees {
			subject, quote, _ := strings.Cut(guarantee, ": ")
			for _, sentence := range sentences(subject, quote) {
				covered[sentence] = true
				if !documented[sentence] {
					t.Errorf("the check %s quotes a sentence that no interface documents: %q", name, sentence)
				}
			}
		}
	}
	for _, sentence := range untested {
		if !documented[sentence] {
			t.Errorf("untested contains a sentence that no interface documents: %q", sentence)
		}
		if covered[sentence] {
			t.Errorf("untested contains a sentence that a check covers: %q", sentence)
		}
	}
	for sentence := range documented {
		if !covered[sentence] && !slices.Contains(untested, sentence) {
			t.Errorf("no check covers %q", sentence)
		}
	}
}

// sentences splits a text into sentences and puts the subject before each.
func sentences(subject, text string) []string {
	var list []string
	for rest := strings.Join(strings.Fields(text), " "); rest != ""; {
		sentence, after, found := strings.Cut(rest, ". ")
		if found {
			sentence += "."
		}
		list = append(list, subject+": "+sentence)
		rest = after
	}
	return list
}

// interfaceSentences returns the sentences of the comments of a file's interfaces and their methods.
func interfaceSentences(t *testing.T, path string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	add := func(name string, doc *ast.CommentGroup) {
		list = append(list, sentences(file.Name.Name+"."+name, doc.Text())...)
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
				if len(method.Names) == 0 {
					continue // an embedded interface
				}
				if method.Doc == nil {
					t.Errorf("%s.%s.%s has no comment", file.Name.Name, typ.Name.Name, method.Names[0])
					continue
				}
				add(typ.Name.Name+"."+method.Names[0].Name, method.Doc)
			}
		}
	}
	return list
}
