package storagetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestChecks_CoverEveryMethod compares the ids of the checks with the methods of client.Storage and client.Tx.
func TestChecks_CoverEveryMethod(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../storage.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	checked := map[string]bool{}
	for _, c := range checks() {
		if ids[c.id] {
			t.Errorf("two checks have the id %s", c.id)
		}
		ids[c.id] = true
		method, _, _ := strings.Cut(c.id, "/")
		checked[method] = true
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Storage" && spec.Name.Name != "Tx" {
			return true
		}
		for _, method := range spec.Type.(*ast.InterfaceType).Methods.List {
			name := spec.Name.Name + "." + method.Names[0].Name
			if !checked[name] {
				t.Errorf("no check covers %s", name)
			}
			delete(checked, name)
		}
		return false
	})
	for name := range checked {
		t.Errorf("a check covers %s, which does not exist", name)
	}
}
