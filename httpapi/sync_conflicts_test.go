package httpapi_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// A rowKind is a type of row as the tests of the contract's section Conflicts change it: by a member of its guarded group, and by a
// member outside.
type rowKind struct {
	name, path     string
	guarded, plain string // the members' names; "": there is none
	values         map[string][3]string
	rest           func(id string) string // what else a new row has
	before         func(s server, id string)
}

func rowKinds() []rowKind {
	none := func(string) string { return "" }
	return []rowKind{
		{
			name: "expense", path: "/v1/expenses/", guarded: "amount", plain: "notes", rest: none,
			values: map[string][3]string{"amount": {"5.00", "9.00", "7.00"}, "notes": {"seen", "theirs", "mine"}},
		},
		{
			name: "recurrence", path: "/v1/recurrences/", guarded: "amount", plain: "notes",
			rest:   func(string) string { return `,"freq":"monthly","start_date":"2026-05-01"` },
			values: map[string][3]string{"amount": {"5.00", "9.00", "7.00"}, "notes": {"seen", "theirs", "mine"}},
		},
		{
			name: "budget", path: "/v1/budgets/", guarded: "amount",
			rest:   func(id string) string { return `,"from_month":"2026-03","category_id":"` + categoryFor(id) + `"` },
			values: map[string][3]string{"amount": {"5.00", "9.00", "7.00"}},
			before: func(s server, id string) {
				s.must(201, "POST", "/v1/categories", `{"id":"`+categoryFor(id)+`","name":"for `+id+`"}`)
			},
		},
		{
			name: "category", path: "/v1/categories/", plain: "colour",
			rest:   func(id string) string { return `,"name":"` + id + `"` },
			values: map[string][3]string{"colour": {"#111111", "#222222", "#333333"}},
		},
	}
}

func categoryFor(id string) string { return strings.Replace(id, "0190", "0191", 1) }

func (k rowKind) set(member string, i int) string {
	return fmt.Sprintf(`%q:%q`, member, k.values[member][i])
}

// whole is all of a row: what was seen, with one member as in the version i.
func (k rowKind) whole(id, member string, i int) string {
	var members []string
	for _, m := range []string{k.guarded, k.plain} {
		switch m {
		case "":
		case member:
			members = append(members, k.set(m, i))
		default:
			members = append(members, k.set(m, 0))
		}
	}
	return "{" + strings.Join(members, ",") + k.rest(id) + "}"
}

// TestConflictsByTheLetter goes through the contract's section Conflicts for each type that has a life of its own: the row was seen
// at one version, another device changed a member of it or did not, and then comes a change made offline.
func TestConflictsByTheLetter(t *testing.T) {
	const guarded, plain = "guarded", "plain"
	cases := []struct {
		name   string
		theirs string // what another device changed since: a member, or "deleted"
		op     string
		mine   string // the member of a patch or a put; "same": a put of what is there by now
		base   string // none, seen, now, own (a change of this device that came before theirs), ahead, never
		want   string
	}{
		{"a patch without a base is unconditional", guarded, "patch", guarded, "none", "applied"},
		{"a patch on the current version", "", "patch", guarded, "now", "applied"},
		{"a patch outside the group on the current version", "", "patch", plain, "now", "applied"},
		{"a patch outside the group, theirs outside too", plain, "patch", plain, "seen", "merged"},
		{"a patch outside the group, theirs in it", guarded, "patch", plain, "seen", "merged"},
		{"a patch of the group, theirs outside", plain, "patch", guarded, "seen", "merged"},
		{"a patch of the group, theirs in it too", guarded, "patch", guarded, "seen", "conflict conflict"},
		{"a patch on a version of theirs", guarded, "patch", guarded, "now", "applied"},
		{"a patch upon one's own change", "", "patch", guarded, "own", "applied"},
		{"a patch outside the group upon one's own change", "", "patch", plain, "own", "applied"},
		{"a patch of the group upon one's own change, theirs in it since", guarded, "patch", guarded, "own", "conflict conflict"},
		{"a patch outside the group upon one's own change, theirs since", guarded, "patch", plain, "own", "merged"},
		{"a patch of the group upon a change that is not remembered", "", "patch", guarded, "never", "conflict conflict"},
		{"a patch outside the group upon a change that is not remembered", "", "patch", plain, "never", "merged"},
		{"a patch on a version ahead", "", "patch", plain, "ahead", "rejected validation_error"},
		{"a patch of the group on a version ahead", "", "patch", guarded, "ahead", "rejected validation_error"},
		{"a patch of a deleted row", "deleted", "patch", plain, "seen", "conflict gone"},
		{"a patch of the group of a deleted row", "deleted", "patch", guarded, "none", "conflict gone"},

		{"a put of what is there, without a base", guarded, "put", "same", "none", "unchanged"},
		{"a put of other content, without a base", "", "put", guarded, "none", "conflict conflict"},
		{"a put of other content outside the group, without a base", "", "put", plain, "none", "conflict conflict"},
		{"a put on the current version", "", "put", guarded, "now", "applied"},
		{"a put outside the group on the current version", "", "put", plain, "now", "applied"},
		{"a put of what is there on the current version", "", "put", "same", "now", "unchanged"},
		{"a put of what is there on an old version", plain, "put", "same", "seen", "unchanged"},
		{"a put of what is there by their change of the group", guarded, "put", "same", "seen", "unchanged"},
		{"a put of other content on an old version", plain, "put", guarded, "seen", "conflict conflict"},
		{"a put of other content outside the group on an old version", guarded, "put", plain, "seen", "conflict conflict"},
		{"a put upon one's own change", "", "put", guarded, "own", "applied"},
		{"a put outside the group upon one's own change", "", "put", plain, "own", "applied"},
		{"a put upon one's own change, theirs since", guarded, "put", plain, "own", "conflict conflict"},
		{"a put upon a change that is not remembered", "", "put", guarded, "never", "conflict conflict"},
		{"a put on a version ahead", "", "put", guarded, "ahead", "rejected validation_error"},
		{"a put of a deleted row", "deleted", "put", plain, "seen", "conflict gone"},
		{"a put of a deleted row, without a base", "deleted", "put", guarded, "none", "conflict gone"},

		{"a deletion on the current version", "", "delete", "", "now", "applied"},
		{"a deletion on an old version wins", guarded, "delete", "", "seen", "applied"},
		{"a deletion without a base wins", plain, "delete", "", "none", "applied"},
		{"a deletion upon one's own change, theirs since", plain, "delete", "", "own", "applied"},
		{"a deletion on a version ahead", "", "delete", "", "ahead", "rejected validation_error"},
		{"a deletion of what is deleted", "deleted", "delete", "", "seen", "unchanged"},
	}
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		n := 1000
		for _, kind := range rowKinds() {
			member := map[string]string{guarded: kind.guarded, plain: kind.plain}
			t.Run(kind.name, func(t *testing.T) {
				s := s
				s.t = t
				for _, c := range cases {
					if member[c.theirs] == "" && (c.theirs == guarded || c.theirs == plain) || member[c.mine] == "" && (c.mine == guarded || c.mine == plain) {
						continue // the type has no such member
					}
					n++
					id := syncID(n)
					if kind.before != nil {
						kind.before(s, id)
					}
					s.push(mutate("new"+id, kind.name, "put", id, `,"data":`+kind.whole(id, "", 0)))
					bases := map[string]string{"none": "", "ahead": `,"base_version":1000000`, "never": `,"base_mutation":"never"`}
					at := func() string { return fmt.Sprintf(`,"base_version":%v`, s.do("GET", kind.path+id, "").json["version"]) }
					bases["seen"], bases["own"] = at(), `,"base_mutation":"new`+id+`"`
					switch c.theirs {
					case "":
					case "deleted":
						s.must(204, "DELETE", kind.path+id, "")
					default:
						s.must(200, "PATCH", kind.path+id, "{"+kind.set(member[c.theirs], 1)+"}")
					}
					bases["now"] = at()
					before := s.do("GET", kind.path+id, "").json
					more := bases[c.base]
					switch {
					case c.op == "patch":
						more += `,"data":{` + kind.set(member[c.mine], 2) + "}"
					case c.mine == "same":
						more += `,"data":` + kind.whole(id, member[c.theirs], 1)
					case c.op == "put":
						more += `,"data":` + kind.whole(id, member[c.mine], 2)
					}
					change := mutate("m"+id, kind.name, c.op, id, more)
					got := s.push(change)[0]
					if status(got) != c.want {
						t.Errorf("%s: %s, want %s: %v", c.name, status(got), c.want, got)
						continue
					}
					if again := s.push(change)[0]; fmt.Sprint(again) != fmt.Sprint(got) {
						t.Errorf("%s, sent again: %v, and %v before", c.name, again, got)
					}
					kind.checkAfter(t, c.name, c.op, member[c.mine], got, before, s.do("GET", kind.path+id, ""))
				}
			})
		}
	})
}

// checkAfter holds the row to what the answer says became of the change.
func (k rowKind) checkAfter(t *testing.T, name, op, mine string, got, before map[string]any, stored reply) {
	t.Helper()
	if op == "delete" || before["version"] == nil {
		if wantGone := before["version"] == nil || status(got) == "applied"; wantGone != (stored.Code == 404) {
			t.Errorf("%s: the row answers %d", name, stored.Code)
		}
		return
	}
	switch got["status"] {
	case "applied", "merged":
		for member, values := range k.values {
			want := before[member]
			if member == mine {
				want = values[2]
			} else if op == "put" {
				want = values[0]
			}
			// A budget shows its limits month by month.
			if shown, ok := stored.json[member]; ok && shown != want {
				t.Errorf("%s: the row has %s %v, want %v", name, member, shown, want)
			}
		}
	case "conflict", "unchanged", "rejected":
		if fmt.Sprint(stored.json) != fmt.Sprint(before) {
			t.Errorf("%s: %s, and the row was %v and is %v", name, got["status"], before, stored.json)
		}
	}
	if got["status"] == "rejected" {
		return
	}
	if shown, ok := got["resource"].(map[string]any); !ok || fmt.Sprint(shown) != fmt.Sprint(stored.json) {
		t.Errorf("%s: the answer shows %v, the row is %v", name, got["resource"], stored.json)
	}
}

func TestChangesOfRowsThatNeverWere(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		n := 5000
		for _, kind := range rowKinds() {
			for _, c := range []struct{ op, base, want string }{
				{"patch", "", "rejected not_found"},
				{"patch", `,"base_version":1`, "conflict gone"}, // it was seen, so it was deleted so long ago that nothing is left of it
				{"put", `,"base_version":1`, "conflict gone"},
				{"put", `,"base_mutation":"never"`, "applied"},
				{"put", "", "applied"},
				{"delete", "", "unchanged"},
				{"delete", `,"base_version":1`, "unchanged"},
			} {
				n++
				id, more := syncID(n), c.base
				if kind.before != nil {
					kind.before(s, id)
				}
				switch c.op {
				case "put":
					more += `,"data":` + kind.whole(id, "", 0)
				case "patch":
					more += `,"data":{` + kind.set(cmp.Or(kind.plain, kind.guarded), 1) + "}"
				}
				if got := s.push(mutate("m"+id, kind.name, c.op, id, more))[0]; status(got) != c.want {
					t.Errorf("a %s of a %s that never was, %s: %v, want %s", c.op, kind.name, c.base, got, c.want)
				}
			}
		}
	})
}

// TestSettingsConflicts: settings have no guarded group and cannot go; a put holds them to be equal like any other row.
func TestSettingsConflicts(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		seen := s.must(200, "GET", "/v1/settings", "").json["version"]
		s.must(200, "PATCH", "/v1/settings", `{"locale":"de"}`)
		now := s.must(200, "GET", "/v1/settings", "").json["version"]
		for i, c := range []struct {
			op, base, data, want string
			locale, zone         string
		}{
			{"put", "", `{"locale":"de"}`, "unchanged", "de", "UTC"},
			{"put", "", `{"locale":"fr"}`, "conflict conflict", "de", "UTC"},
			{"put", fmt.Sprint(seen), `{"locale":"de"}`, "unchanged", "de", "UTC"},
			{"put", fmt.Sprint(seen), `{"time_zone":"Europe/Berlin"}`, "conflict conflict", "de", "UTC"},
			{"put", fmt.Sprint(seen), `{"time_zone":"Europe/Atlantis"}`, "rejected validation_error", "de", "UTC"},
			{"patch", "1000000", `{"locale":"fr"}`, "rejected validation_error", "de", "UTC"},
			{"patch", fmt.Sprint(seen), `{"locale":"de"}`, "unchanged", "de", "UTC"},
			{"patch", fmt.Sprint(now), `{"locale":"fr"}`, "applied", "fr", "UTC"},
			{"patch", fmt.Sprint(now), `{"time_zone":"Europe/Berlin"}`, "merged", "fr", "Europe/Berlin"},
			{"patch", fmt.Sprint(seen), `{"locale":"it"}`, "merged", "it", "Europe/Berlin"},
			{"patch", "", `{"locale":"es"}`, "applied", "es", "Europe/Berlin"},
			{"put", "last", `{"locale":"pl"}`, "applied", "pl", "Europe/Berlin"},
			{"delete", "", ``, "rejected validation_error", "pl", "Europe/Berlin"},
		} {
			more := ""
			switch c.base {
			case "":
			case "last":
				more = fmt.Sprintf(`,"base_version":%v`, s.must(200, "GET", "/v1/settings", "").json["version"])
			default:
				more = `,"base_version":` + c.base
			}
			if c.data != "" {
				more += `,"data":` + c.data
			}
			got := s.push(mutate(fmt.Sprint("m", i), "settings", c.op, "settings", more))[0]
			after := s.must(200, "GET", "/v1/settings", "").json
			if status(got) != c.want || after["locale"] != c.locale || after["time_zone"] != c.zone {
				t.Errorf("a %s of %s on %q: %v, want %s; the settings are %v", c.op, c.data, c.base, got, c.want, after)
			}
		}
		if got := s.push(mutate("other", "settings", "patch", syncID(1), `,"data":{"locale":"de"}`))[0]; status(got) != "rejected validation_error" {
			t.Errorf("settings of another id: %v", got)
		}
	})
}

// TestAlertConflicts: an alert is raised by the server; all that a device can do is to say that it was read, whatever it saw.
func TestAlertConflicts(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.must(201, "POST", "/v1/budgets", `{"amount":"1","from_month":"2026-03","alert_at":["0.50","1.00"]}`)
		s.must(201, "POST", "/v1/expenses", `{"amount":"5"}`)
		alerts := s.must(200, "GET", "/v1/budgets/alerts", "").json["data"].([]any)
		if len(alerts) != 2 {
			t.Fatalf("%d alerts", len(alerts))
		}
		first, second := alerts[0].(map[string]any)["id"].(string), alerts[1].(map[string]any)["id"].(string)
		for i, c := range []struct{ id, op, more, want string }{
			{first, "patch", `,"base_version":1,"data":{"read":true}`, "applied"},
			{first, "patch", `,"base_version":1,"data":{"read":true}`, "unchanged"},
			{second, "patch", `,"data":{"read":false}`, "rejected validation_error"},
			{second, "patch", `,"base_version":1000000,"data":{"read":true}`, "rejected validation_error"},
			{second, "patch", `,"data":{"read":true}`, "applied"},
			{second, "put", `,"data":{"read":true}`, "rejected validation_error"},
			{second, "delete", ``, "rejected validation_error"},
			{syncID(1), "patch", `,"data":{"read":true}`, "rejected not_found"},
		} {
			if got := s.push(mutate(fmt.Sprint("m", i), "alert", c.op, c.id, c.more))[0]; status(got) != c.want {
				t.Errorf("a %s of an alert with %s: %v, want %s", c.op, c.more, got, c.want)
			}
		}
	})
}

// TestCategoryConflicts: names and merges, which other rows do not have.
func TestCategoryConflicts(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		ids := map[string]string{}
		for _, row := range s.must(200, "GET", "/v1/categories", "").json["data"].([]any) {
			ids[row.(map[string]any)["name"].(string)] = row.(map[string]any)["id"].(string)
		}
		food, travel, other := ids["Food"], ids["Travel"], ids["Other"]
		_, cursor := s.pull("", 1000)
		s.must(201, "POST", "/v1/expenses", `{"id":"`+syncID(1)+`","amount":"5","category_id":"`+food+`"}`)
		for i, c := range []struct{ name, id, op, data, want string }{
			{"a new one whose name is taken", syncID(10), "put", `{"name":" FOOD "}`, "merged"},
			{"the same again, of another device", syncID(10), "put", `{"name":"Food"}`, "conflict gone"},
			{"a patch of one that was merged", syncID(10), "patch", `{"name":"Fare"}`, "conflict gone"},
			{"a deletion of one that was merged", syncID(10), "delete", ``, "unchanged"},
			{"a deletion of one in use", food, "delete", ``, "conflict conflict"},
			{"a deletion of the default", other, "delete", ``, "conflict conflict"},
			{"the default renamed to a taken name", other, "patch", `{"name":"food"}`, "conflict conflict"},
			{"one renamed to a taken name", travel, "patch", `{"name":"food","colour":"#123456"}`, "merged"},
			{"one without a name", syncID(11), "put", `{"name":" "}`, "rejected validation_error"},
		} {
			more := ""
			if c.data != "" {
				more = `,"data":` + c.data
			}
			if got := s.push(mutate(fmt.Sprint("m", i), "category", c.op, c.id, more))[0]; status(got) != c.want {
				t.Errorf("%s: %v, want %s", c.name, got, c.want)
			}
		}
		changes, _ := s.pull(cursor, 1000)
		into := map[any]any{}
		for _, change := range changes {
			into[change["id"]] = change["merged_into"]
		}
		if into[travel] != food || into[syncID(10)] != food {
			t.Errorf("the feed says that Travel was merged into %v and the new one into %v, want %s", into[travel], into[syncID(10)], food)
		}
	})
}

// TestAFullLedgerMergesACategoryWhoseNameIsTaken: the limit is no reason to refuse what adds none.
func TestAFullLedgerMergesACategoryWhoseNameIsTaken(t *testing.T) {
	st := memstore.New()
	s := serve(t, st)
	_, _ = s.pull("", 1000)
	for i := range expense.MaxCategories - 10 {
		s.must(201, "POST", "/v1/categories", fmt.Sprintf(`{"name":"category %d"}`, i))
	}
	got := s.push(
		mutate("m1", "category", "put", syncID(1), `,"data":{"name":"one more"}`),
		mutate("m2", "category", "put", syncID(2), `,"data":{"name":"food"}`),
		mutate("m3", "expense", "put", syncID(3), `,"data":{"amount":"1","category_id":"`+syncID(1)+`"}`),
	)
	if status(got[0]) != "rejected validation_error" || status(got[1]) != "merged" || status(got[2]) != "merged" {
		t.Errorf("a new category, one whose name is taken, an expense of the refused one: %v", got)
	}
}

// TestADeviceKnowsNothingOfWhatItsChangeWasMergedWith: a device's queue was made before it heard how the first change ended, so that a
// later one which names the first as its base has not seen what others changed.
func TestADeviceKnowsNothingOfWhatItsChangeWasMergedWith(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		n := 7000
		for _, c := range []struct {
			name, theirs string
			queue        []string // op and data; each upon the one before
			want         string
			final        string
		}{
			{"notes, then the amount", `{"amount":"9"}`, []string{`patch{"notes":"mine"}`, `patch{"amount":"7"}`}, "merged,conflict conflict", "9.00 mine"},
			{"notes twice, then the amount", `{"amount":"9"}`, []string{`patch{"notes":"a"}`, `patch{"notes":"b"}`, `patch{"amount":"7"}`}, "merged,merged,conflict conflict", "9.00 b"},
			{"what is there already, then the amount", `{"amount":"9"}`, []string{`patch{"notes":"seen"}`, `patch{"amount":"7"}`}, "unchanged,conflict conflict", "9.00 seen"},
			{"the amount twice, beside their notes", `{"notes":"theirs"}`, []string{`patch{"amount":"7"}`, `patch{"amount":"8"}`}, "merged,applied", "8.00 theirs"},
			{"the amount and notes, beside their notes", `{"notes":"theirs"}`, []string{`patch{"amount":"7"}`, `patch{"notes":"mine"}`}, "merged,applied", "7.00 mine"},
			{"the amount, then all of it, beside their notes", `{"notes":"theirs"}`, []string{`patch{"amount":"7"}`, `put{"amount":"8","notes":"mine"}`}, "merged,conflict conflict", "7.00 theirs"},
			{"a conflict, then notes", `{"amount":"9"}`, []string{`patch{"amount":"7"}`, `patch{"notes":"mine"}`}, "conflict conflict,merged", "9.00 mine"},
			{"a conflict, then the amount again", `{"amount":"9"}`, []string{`patch{"amount":"7"}`, `patch{"amount":"8"}`}, "conflict conflict,conflict conflict", "9.00 seen"},
			{"a refused one, then the amount", `{"amount":"9"}`, []string{`patch{"notes":"\u0001"}`, `patch{"amount":"8"}`}, "rejected validation_error,conflict conflict", "9.00 seen"},
			{"all of it, then the amount, nobody between", ``, []string{`put{"amount":"7","notes":"mine"}`, `patch{"amount":"8"}`}, "applied,applied", "8.00 mine"},
		} {
			for _, together := range []bool{true, false} {
				n++
				id := syncID(n)
				seen := s.must(201, "POST", "/v1/expenses", `{"id":"`+id+`","amount":"5","notes":"seen"}`).json["version"]
				if c.theirs != "" {
					s.must(200, "PATCH", "/v1/expenses/"+id, c.theirs)
				}
				var queue, got []string
				for i, change := range c.queue {
					at := strings.Index(change, "{")
					base := fmt.Sprintf(`,"base_version":%v`, seen)
					if i > 0 {
						base = fmt.Sprintf(`,"base_mutation":"%s-%d"`, id, i-1)
					}
					queue = append(queue, mutate(fmt.Sprintf("%s-%d", id, i), "expense", change[:at], id, base+`,"data":`+change[at:]))
				}
				if together {
					for _, result := range s.push(queue...) {
						got = append(got, status(result))
					}
				} else {
					for _, change := range queue {
						got = append(got, status(s.push(change)[0]))
					}
				}
				row := s.must(200, "GET", "/v1/expenses/"+id, "").json
				if all := strings.Join(got, ","); all != c.want {
					t.Errorf("%s (in one push: %t): %s, want %s", c.name, together, all, c.want)
				}
				if left := fmt.Sprint(row["amount"], " ", row["notes"]); left != c.final {
					t.Errorf("%s (in one push: %t): the row is %s, want %s", c.name, together, left, c.final)
				}
			}
		}
	})
}

// TestTextThatNoDatabaseTakesBlocksNobody: whatever a mutation holds, it is answered, and the ones beside it go in.
func TestTextThatNoDatabaseTakesBlocksNobody(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		nul := `a\u0000b`
		for i, bad := range []string{
			`"type":"` + nul + `","op":"put","id":"` + syncID(1) + `","data":{}`,
			`"type":"expense","op":"put","id":"` + nul + `","data":{"amount":"1"}`,
			`"type":"expense","op":"` + nul + `","id":"` + syncID(1) + `"`,
			`"type":"expense","op":"patch","id":"` + syncID(1) + `","base_mutation":"` + nul + `","data":{"notes":"x"}`,
			`"type":"expense","op":"put","id":"` + syncID(1) + `","data":{"amount":"1","category":"` + nul + `"}`,
			`"type":"expense","op":"put","id":"` + syncID(1) + `","data":{"amount":"1","notes":"` + nul + `"}`,
			`"type":"expense","op":"put","id":"` + syncID(1) + `","data":{"amount":"` + nul + `"}`,
			`"type":"category","op":"put","id":"` + syncID(1) + `","data":{"name":"` + nul + `"}`,
			`"type":"category","op":"put","id":"` + syncID(1) + `","data":{"name":"x","icon":"` + nul + `"}`,
			`"type":"budget","op":"put","id":"` + syncID(1) + `","data":{"amount":"1","category_id":"` + nul + `"}`,
			`"type":"recurrence","op":"put","id":"` + syncID(1) + `","data":{"amount":"1","freq":"` + nul + `","start_date":"2026-05-01"}`,
			`"type":"recurrence","op":"put","id":"` + syncID(1) + `","data":{"amount":"1","freq":"daily","notes":"` + nul + `","start_date":"2026-05-01"}`,
			`"type":"settings","op":"patch","id":"settings","data":{"locale":"` + nul + `"}`,
			`"type":"` + strings.Repeat("x", 100_000) + `","op":"put","id":"` + syncID(1) + `","data":{}`,
			`"type":"expense","op":"put","id":"` + strings.Repeat("x", 100_000) + `","data":{}`,
		} {
			good := syncID(100 + i)
			results := s.push(
				fmt.Sprintf(`{"mutation_id":"bad%d",%s}`, i, bad),
				mutate("good"+good, "expense", "put", good, `,"data":{"amount":"1"}`),
			)
			if results[0]["status"] != "rejected" || status(results[1]) != "applied" {
				t.Errorf("%.80s: %v, and the change beside it %v", bad, results[0], results[1])
			}
		}
	})
}

// TestAMutationThatIsOddJSONBlocksNobody: what RFC 8259 leaves open, and this API refuses, is wrong with one mutation only.
func TestAMutationThatIsOddJSONBlocksNobody(t *testing.T) {
	s := serve(t, memstore.New())
	put := `"type":"expense","op":"put","id":"` + syncID(1) + `","data":`
	for i, c := range []struct{ name, bad, want string }{
		{"a member given twice in the data", put + `{"amount":"1","amount":"2"}`, "malformed #/amount duplicate_member"},
		{"a member given twice deeper in the data", put + `{"amount":"1","notes":{"a":1,"a":2}}`, "malformed #/notes/a duplicate_member"},
		{"a member of the mutation given twice", `"op":"delete",` + put + `{"amount":"1"}`, "malformed #/op duplicate_member"},
		{"half of a surrogate pair", put + `{"amount":"1","notes":"\ud83d"}`, "malformed #/notes syntax"},
		{"bytes that are no UTF-8", put + `{"amount":"1","notes":"` + "\xff" + `"}`, "malformed #/notes syntax"},
		{"a name that is no UTF-8", put + `{"amount":"1","` + "\xff" + `":"x"}`, "malformed # syntax"},
		{"a type that is no UTF-8", `"type":"` + "\xff" + `","op":"put","id":"` + syncID(1) + `","data":{}`, "validation_error #/type unknown_value"},
		{"a member that is not known, and no UTF-8", put + `{"amount":"1"},"` + "\xff" + `":"x"`, "malformed #/\ufffd unknown_member"},
		{"data that is null", put + `null`, "validation_error #/data wrong_type"},
		{"data that is an array", put + `[{"amount":"1"}]`, "validation_error #/data wrong_type"},
		{"no data", strings.TrimSuffix(put, `,"data":`), "validation_error #/data required"},
		{"null in a patch", `"type":"expense","op":"patch","id":"` + syncID(100) + `","data":null`, "validation_error #/data wrong_type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := syncID(100 + i)
			mutations := []string{
				fmt.Sprintf(`{"mutation_id":"bad%d",%s}`, i, c.bad), mutate("good"+good, "expense", "put", good, `,"data":{"amount":"1"}`),
			}
			results := s.push(mutations...)
			problem := results[0]["problem"].(map[string]any)
			first := problem["errors"].([]any)[0].(map[string]any)
			if got := fmt.Sprint(problem["code"], " ", first["pointer"], " ", first["code"]); got != c.want || results[0]["status"] != "rejected" {
				t.Errorf("got %v, want %s", results[0], c.want)
			}
			if status(results[1]) != "applied" {
				t.Errorf("the change beside it: %v", results[1])
			}
			if again := s.push(mutations...); fmt.Sprint(again) != fmt.Sprint(results) {
				t.Errorf("sent again it answers %v, and %v before", again, results)
			}
			keyed := s.must(200, "POST", "/v1/sync", `{"mutations":[`+strings.Join(mutations, ",")+`]}`, "Idempotency-Key", "key"+good)
			if !strings.Contains(keyed.Body.String(), `"applied"`) {
				t.Errorf("with an Idempotency-Key: %s", keyed.Body)
			}
		})
	}
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{400, `{"mutations":[],"mutations":[]}`, "#/mutations duplicate_member"},
		{400, `{"mutations":[{"mutation_id":"m"]}`, "#/mutations/0 syntax"},
		{400, `{"mutations":[],"colour":{}}`, "#/colour unknown_member"},
		{422, `{"mutations":[{"mutation_id":"m","mutation_id":"n","type":"expense"}]}`, "#/mutations/0/mutation_id malformed_id"},
		{422, `{"mutations":[null]}`, "#/mutations/0/mutation_id malformed_id"},
	} {
		got := s.must(c.status, "POST", "/v1/sync", c.body)
		first := got.json["errors"].([]any)[0].(map[string]any)
		if told := fmt.Sprint(first["pointer"], " ", first["code"]); told != c.want {
			t.Errorf("%s: %s, want %s", c.body, told, c.want)
		}
	}
}

// TestAMutationIsRememberedAsLongAsTombstones and no longer.
func TestAMutationIsRememberedAsLongAsTombstones(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		put := mutate("m1", "expense", "put", syncID(1), `,"data":{"amount":"5"}`)
		first := s.push(put)[0]
		s.must(200, "PATCH", "/v1/expenses/"+syncID(1), `{"amount":"6"}`)
		// The answers of other requests have long gone; this one's are kept.
		if err := st.Purge(t.Context(), noon.Add(time.Hour), noon.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if again := s.push(put)[0]; fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("sent again within 90 days: %v, and %v before", again, first)
		}
		if err := st.Purge(t.Context(), noon, noon.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if late := s.push(put)[0]; status(late) != "conflict conflict" {
			t.Errorf("sent again when all is forgotten: %v", late)
		}
	})
}

// TestWhatIsNoEditOfARowIsInNobodysWay: a row's version also rises when the poster moves a rule on or a category is merged away. Neither
// touches the guarded group, so a change of it that was made before goes in.
func TestWhatIsNoEditOfARowIsInNobodysWay(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.must(201, "POST", "/v1/categories", `{"id":"`+syncID(1)+`","name":"Pets"}`)
		s.must(201, "POST", "/v1/categories", `{"id":"`+syncID(2)+`","name":"Animals"}`)
		s.must(201, "POST", "/v1/recurrences", `{"id":"`+syncID(3)+`","amount":"5","freq":"daily","start_date":"2026-03-06","category_id":"`+syncID(1)+`"}`)
		s.must(201, "POST", "/v1/expenses", `{"id":"`+syncID(4)+`","amount":"5","category_id":"`+syncID(1)+`"}`)
		seen := map[string]any{}
		for id, path := range map[string]string{syncID(3): "/v1/recurrences/", syncID(4): "/v1/expenses/"} {
			seen[id] = s.must(200, "GET", path+id, "").json["version"]
		}
		err := st.Update(t.Context(), "anna", func(tx store.Tx) error {
			posting, err := recurrence.Post(t.Context(), tx, expense.Env{Now: noon})
			if err == nil && posting.Posted != 3 {
				t.Errorf("%d expenses were posted", posting.Posted)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		s.must(200, "POST", "/v1/categories/"+syncID(1)+"/merge", `{"into":"`+syncID(2)+`"}`)
		for what, id := range map[string]string{"recurrence": syncID(3), "expense": syncID(4)} {
			got := s.push(mutate("m"+id, what, "patch", id, fmt.Sprintf(`,"base_version":%v,"data":{"amount":"7"}`, seen[id])))[0]
			row, _ := got["resource"].(map[string]any)
			if status(got) != "merged" || row["amount"] != "7.00" || row["category_id"] != syncID(2) {
				t.Errorf("a %s that only the server has touched: %v", what, got)
			}
		}
	})
}
