package httpapi

import (
	"maps"
	"slices"

	"github.com/spendwise/spendwise/httpapi/auth"
)

// Template converts a path of the routing table to the path syntax of OpenAPI.
func Template(path string) string { return pathTemplate(path) }

// Described reports whether operations has an entry for pattern.
func Described(pattern string) bool {
	_, ok := operations[pattern]
	return ok
}

// DescribedOnly lists the entries of operations that belong to no route.
func DescribedOnly() []string {
	only := maps.Clone(operations)
	for _, r := range Routes() {
		delete(only, r.Method+" "+pathTemplate(r.Path))
	}
	return slices.Sorted(maps.Keys(only))
}

// UnusedWords lists the entries of words that belong to no schema and to no member of a schema.
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

// Contract returns the OpenAPI document of an API with local accounts.
func Contract() []byte { return (&api{accounts: new(auth.Service)}).serveContract().document }
