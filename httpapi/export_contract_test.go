package httpapi

import (
	"maps"
	"slices"

	"github.com/spendwise/spendwise/httpapi/auth"
)

// Template writes a path of the table as the contract does.
func Template(path string) string { return pathTemplate(path) }

// Described reports whether operations has a row for a pattern.
func Described(pattern string) bool {
	_, ok := operations[pattern]
	return ok
}

// DescribedOnly lists the rows of operations that are of no route.
func DescribedOnly() []string {
	only := maps.Clone(operations)
	for _, r := range Routes() {
		delete(only, r.Method+" "+pathTemplate(r.Path))
	}
	return slices.Sorted(maps.Keys(only))
}

// UnusedWords lists the words that no schema, and no member of one, needs.
func UnusedWords(names map[string]any, membersOf func(schema string) []string) []string {
	used := map[string]bool{}
	for name := range names {
		used[name] = true
		for _, member := range membersOf(name) {
			if _, own := words[name+"."+member]; own {
				used[name+"."+member] = true
			} else {
				used[member] = true
			}
		}
	}
	var unused []string
	for word := range words {
		if !used[word] {
			unused = append(unused, word)
		}
	}
	slices.Sort(unused)
	return unused
}

// Contract is the document of an API with local accounts.
func Contract() []byte { return (&api{accounts: new(auth.Service)}).serveContract().document }
