package storetest

import (
	"context"
	"time"

	"github.com/spendwise/spendwise/store"
)

// Guarantees returns the guarantees that each check covers, by the name of the check.
func Guarantees() map[string][]string {
	guarantees := make(map[string][]string)
	for _, c := range checks() {
		guarantees[c.name] = c.guarantees
	}
	return guarantees
}

// Failures runs the check with this name and returns its failures.
func Failures(ctx context.Context, name string, st store.Store, timeout time.Duration) []string {
	for _, c := range checks() {
		if c.name == name {
			failures, _ := c.against(ctx, st, timeout)
			return failures
		}
	}
	return nil
}
