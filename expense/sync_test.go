package expense_test

import (
	"errors"
	"testing"

	"github.com/spendwise/spendwise/expense"
)

func TestAdmit(t *testing.T) {
	row := expense.Stand{Version: 9, Guard: 5}
	for _, c := range []struct {
		name    string
		base    expense.Version
		guarded bool
		want    expense.Outcome // 0: a conflict
	}{
		{"without a base, unconditionally", 0, true, expense.OutcomeApplied},
		{"on the current version", 9, true, expense.OutcomeApplied},
		{"outside the group, on an old version", 2, false, expense.OutcomeMerged},
		{"of the group, which nobody has touched since", 5, true, expense.OutcomeMerged},
		{"of the group, which somebody has touched since", 4, true, 0},
		{"of the group, on a version that a restore took back", 12, true, 0},
		{"outside the group, on a version that a restore took back", 12, false, expense.OutcomeMerged},
		{"of the group, upon a change that never went in", -1, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := row.Admit(c.base, c.guarded)
			if got != c.want || (c.want == 0) != errors.Is(err, expense.ErrConflict) {
				t.Errorf("%v %v, want %v", got, err, c.want)
			}
		})
	}
}
