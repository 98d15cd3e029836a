package store_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

var noon = time.Date(2026, time.March, 31, 12, 0, 0, 0, time.UTC)

// TestALedgerKnowsWhichVersionsOnlyALostHistoryHad plays a ledger that is written to and restored, from its latest
// backup or an earlier one, and holds what its state says of each version against what was handed out.
func TestALedgerKnowsWhichVersionsOnlyALostHistoryHad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		type history struct {
			state store.State
			had   []expense.Version // what its Updates took
		}
		ledger := history{state: store.State{Epoch: 1, Version: 1}, had: []expense.Version{1}}
		backups := []history{ledger}
		handed := map[expense.Version]bool{1: true} // by any history
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(2, 100_000).Draw(t, "seconds")) * time.Second)
			switch rapid.SampledFrom([]string{"write", "write", "back up", "restore", "begin an epoch"}).Draw(t, "step") {
			case "write":
				ledger.state.Version++
				if handed[ledger.state.Version] {
					t.Fatalf("version %d is handed out again", ledger.state.Version)
				}
				handed[ledger.state.Version] = true
				ledger.had = append(ledger.had[:len(ledger.had):len(ledger.had)], ledger.state.Version)
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
					t.Fatalf("after %+v comes %+v", before, ledger.state)
				}
			}
			ours := map[expense.Version]bool{}
			for _, version := range ledger.had {
				ours[version] = true
			}
			for version := range handed {
				if got := ledger.state.Discarded.Contains(version); version <= ledger.state.Version && got == ours[version] {
					t.Fatalf("version %d: lost is %t in %+v, which had %v", version, got, ledger.state, ledger.had)
				}
			}
		}
	})
}

func TestAClockThatGoesWrongDoesNotTakeALedgerBack(t *testing.T) {
	ahead := store.State{Version: 7}.NextEpoch(noon.AddDate(50, 0, 0))
	back := ahead.NextEpoch(noon)
	if back.Version != ahead.Version+store.EpochStep || !back.Discarded.Contains(back.Version) ||
		back.Discarded.Contains(7) || back.Discarded.Contains(back.Version+1) {
		t.Errorf("after %+v comes %+v", ahead, back)
	}
	if first := (store.State{Version: 7}).NextEpoch(time.Unix(0, 0)); first.Version != 7+store.EpochStep ||
		first.Discarded != "8-1000007" {
		t.Errorf("in 1970 an epoch begins with %+v", first)
	}
}

func TestVersionsThatCannotBeReadHaveNone(t *testing.T) {
	for _, text := range []store.VersionRanges{"", "-", "a-b", "5", "5-x"} {
		if text.Contains(5) {
			t.Errorf("%q has 5", text)
		}
	}
}
