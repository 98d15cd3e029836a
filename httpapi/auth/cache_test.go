package auth_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/httpapi/auth"
)

func TestCache_KeepsEntriesInUse(t *testing.T) {
	c := auth.NewCache(100)
	c.Put(-1, "in use")
	for i := range 10_000 {
		c.Put(i, fmt.Sprint(i))
		if text, ok := c.Get(-1); !ok || text != "in use" {
			t.Fatalf("after %d more entries, the one in use is %q, %v", i+1, text, ok)
		}
		if c.Len() > 100 {
			t.Fatalf("a cache of 100 holds %d", c.Len())
		}
	}
	if _, ok := c.Get(0); ok {
		t.Error("an unused entry was not evicted")
	}
}

// A cache may lose entries, but never returns an old value.
func TestCache_NeverReturnsOldValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := auth.NewCache(rapid.IntRange(2, 10).Draw(t, "size"))
		model := make(map[int]string)
		for i := range rapid.IntRange(0, 200).Draw(t, "steps") {
			key := rapid.IntRange(0, 20).Draw(t, "key")
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				model[key] = fmt.Sprint(i)
				c.Put(key, model[key])
			case 1:
				delete(model, key)
				c.Remove(key)
			default:
				if text, ok := c.Get(key); ok && text != model[key] {
					t.Fatalf("under %d is %q, want %q or nothing", key, text, model[key])
				}
			}
		}
	})
}
