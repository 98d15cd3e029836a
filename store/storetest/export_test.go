package storetest

import (
	"context"
	"time"

	"github.com/spendwise/spendwise/store"
)

// Guards returns the sentences that each check guards, by its name.
func Guards() map[string][]string {
	guards := make(map[string][]string)
	for _, c := range checks() {
		guards[c.name] = c.guards
	}
	return guards
}

// Failures runs the check of that name against a store, and returns what it found wrong.
func Failures(ctx context.Context, name string, st store.Store, patience time.Duration) []string {
	for _, c := range checks() {
		if c.name == name {
			failures, _ := c.against(ctx, st, patience)
			return failures
		}
	}
	return nil
}
