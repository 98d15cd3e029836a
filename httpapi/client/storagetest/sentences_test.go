package storagetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

func TestEverySentenceHasACheck(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../storage.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var guarded []string
	for _, c := range checks() {
		guarded = append(guarded, c.says)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Storage" && spec.Name.Name != "Tx" {
			return true
		}
		for _, method := range spec.Type.(*ast.InterfaceType).Methods.List {
			text := strings.Join(strings.Fields(method.Doc.Text()), " ")
			for _, sentence := range strings.SplitAfter(text, ". ") {
				sentence = spec.Name.Name + "." + method.Names[0].Name + ": " + strings.TrimSpace(sentence)
				i := slices.Index(guarded, sentence)
				if i < 0 {
					t.Errorf("no check guards %s", sentence)
					continue
				}
				guarded = slices.Delete(guarded, i, i+1)
			}
		}
		return false
	})
	if len(guarded) > 0 {
		t.Errorf("checks guard what the interfaces do not say: %q", guarded)
	}
}
