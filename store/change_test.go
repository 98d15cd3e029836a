package store_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

var noon = time.Date(2026, time.March, 31, 12, 0, 0, 0, time.UTC)

// TestState_DiscardedAreVersionsOfLostHistory writes to a ledger and restores it from its latest backup or an
// earlier one. It compares Discarded with the versions that the current history has assigned.
func TestState_DiscardedAreVersionsOfLostHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		type history struct {
			state    store.State
			assigned []expense.Version // versions that its Updates assigned
		}
		ledger := history{state: store.State{Epoch: 1, Version: 1}, assigned: []expense.Version{1}}
		backups := []history{ledger}
		assignedByAny := map[expense.Version]bool{1: true} // versions that any history assigned
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(2, 100_000).Draw(t, "seconds")) * time.Second)
			switch rapid.SampledFrom([]string{"write", "write", "back up", "restore", "begin an epoch"}).Draw(t, "step") {
			case "write":
				ledger.state.Version++
				if assignedByAny[ledger.state.Version] {
					t.Fatalf("version %d is assigned twice", ledger.state.Version)
				}
				assignedByAny[ledger.state.Version] = true
				ledger.assigned = append(ledger.assigned[:len(ledger.assigned):len(ledger.assigned)], ledger.state.Version)
			case "back up":
				backups = append(backups, ledger)
			case "restore":
				ledger = rapid.SampledFrom(backups).Draw(t, "backup")
				fallthrough
			case "begin an epoch":
				before := ledger.state
				ledger.state = before.NextEpoch(now)
				if ledger.state.Epoch == before.Epoch || ledger.state.Version < before.Version+store.EpochStep ||
					ledger.state.Version >= 1<<53 {
					t.Fatalf("NextEpoch of %+v = %+v", before, ledger.state)
				}
			}
			current := map[expense.Version]bool{}
			for _, version := range ledger.assigned {
				current[version] = true
			}
			for version := range assignedByAny {
				if got := ledger.state.Discarded.Contains(version); version <= ledger.state.Version && got == current[version] {
					t.Fatalf("version %d: Discarded.Contains = %t in %+v; the history assigned %v",
						version, got, ledger.state, ledger.assigned)
				}
			}
		}
	})
}

func TestState_NextEpochNeverDecreasesVersion(t *testing.T) {
	ahead := store.State{Version: 7}.NextEpoch(noon.AddDate(50, 0, 0))
	back := ahead.NextEpoch(noon)
	if back.Version != ahead.Version+store.EpochStep || !back.Discarded.Contains(back.Version) ||
		back.Discarded.Contains(7) || back.Discarded.Contains(back.Version+1) {
		t.Errorf("NextEpoch of %+v = %+v", ahead, back)
	}
	if first := (store.State{Version: 7}).NextEpoch(time.Unix(0, 0)); first.Version != 7+store.EpochStep ||
		first.Discarded != "8-1000007" {
		t.Errorf("NextEpoch at the Unix epoch = %+v", first)
	}
}

func TestVersionRanges_InvalidTextContainsNothing(t *testing.T) {
	for _, text := range []store.VersionRanges{"", "-", "a-b", "5", "5-x"} {
		if text.Contains(5) {
			t.Errorf("VersionRanges %q contains 5", text)
		}
	}
}
