package replica_test

import (
	"errors"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/replica"
)

func TestBase_Admit(t *testing.T) {
	const row, guard = 9, 5
	for _, c := range []struct {
		name    string
		base    expense.Version
		guarded bool
		want    replica.Status // 0: a conflict
	}{
		{"without a base", 0, true, replica.Applied},
		{"on the current version", 9, true, replica.Applied},
		{"unguarded fields on an old version", 2, false, replica.Merged},
		{"guarded fields that nobody changed since", 5, true, replica.Merged},
		{"guarded fields that somebody changed since", 4, true, 0},
		{"guarded fields on a version of a discarded history", 12, true, 0},
		{"unguarded fields on a version of a discarded history", 12, false, replica.Merged},
		{"guarded fields on a mutation that was not applied", -1, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := replica.PatchStatus(c.base, row, guard, c.guarded)
			if got != c.want || (c.want == 0) != errors.Is(err, replica.ErrConflict) {
				t.Errorf("%v %v, want %v", got, err, c.want)
			}
		})
	}
}
