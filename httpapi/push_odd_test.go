package httpapi_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/store"
)

var oddPushes = flag.Int(
	"odd-pushes", 20, "pushes of 20 mutations in TestPush_UnusualMutationsDoNotBlockOthers, for each store",
)

// A mutationGenerator writes the data of mutations as random JSON. Their members are known. Many values are at a limit
// or beyond it.
type mutationGenerator struct{ random *rand.Rand }

// pick returns a random entry of list. It prefers the first one, which is the usual value.
func (g mutationGenerator) pick(list ...string) string {
	if g.random.IntN(2) == 0 {
		return list[0]
	}
	return list[g.random.IntN(len(list))]
}

func (g mutationGenerator) id() string { return syncID(1 + g.random.IntN(40)) }

func (g mutationGenerator) value(member string) string {
	if g.random.IntN(12) == 0 {
		return g.pick(`null`, `""`, `"\u0000"`, `0`, `-1`, `1e300`, `9223372036854775807`, `true`, `[]`, `{}`, `[null]`,
			`"\ud83d\ude00"`, `" "`,
			`"`+strings.Repeat("9", 400)+`"`)
	}
	switch member {
	case "amount", "rollover_cap", "limit_rate", "rate":
		return g.pick(
			`"1"`, `"0"`, `"-5"`, `"0.01"`, `"0.001"`, `"1234567890.99"`, `"99999999999999"`, `"0.000000000000000001"`, `"1e9"`,
			`"NaN"`,
		)
	case "currency", "home_currency":
		return g.pick(`"EUR"`, `"USD"`, `"JPY"`, `"KWD"`, `"DEM"`, `"eur"`, `"XXX"`, `"CLF"`)
	case "date", "occurrence", "start_date", "until_date":
		return g.pick(
			`"2026-03-08"`, `"0001-01-01"`, `"9999-12-31"`, `"2027-03-08"`, `"2026-02-30"`, `"1970-01-01"`, `"2025-12-31"`,
			`"1900-01-01"`,
		)
	case "from_month", "until_month":
		return g.pick(`"2026-03"`, `"0001-01"`, `"9999-12"`, `"1999-01"`, `"2026-13"`, `"2099-12"`)
	case "category_id", "rule_id", "id", "default_category_id":
		return g.pick(
			`"`+g.id()+`"`, `"00000000-0000-0000-0000-000000000000"`, `"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"`, `"x"`,
		)
	case "category", "name":
		return g.pick(
			`"food"`, `"Food"`, `"Travel"`, `"\u200b"`, `"a\u0000b"`, `"`+strings.Repeat("é", 60)+`"`, `"new `+g.id()+`"`,
		)
	case "freq":
		return g.pick(`"daily"`, `"weekly"`, `"monthly"`, `"yearly"`, `"secondly"`)
	case "interval", "count", "fiscal_year_start":
		return g.pick(`1`, `2`, `12`, `0`, `-1`, `1000000`, `2147483648`, `9007199254740993`)
	case "weekdays":
		return g.pick(`["mon"]`, `["mon","mon"]`, `["xyz"]`, `["mon","tue","wed","thu","fri","sat","sun"]`)
	case "month_day":
		return g.pick(`31`, `"last"`, `0`, `32`, `29`)
	case "on_missing":
		return g.pick(`"clamp"`, `"skip"`)
	case "rollover":
		return g.pick(`"none"`, `"surplus"`, `"deficit"`, `"both"`)
	case "alert_at":
		return g.pick(`["0.80","1.00"]`, `["0"]`, `["99999999"]`, `["1.00","1.00"]`, `[]`)
	case "rrule":
		return g.pick(
			`"FREQ=DAILY"`, `"FREQ=MONTHLY;BYMONTHDAY=-1"`, `"FREQ=YEARLY;INTERVAL=100000"`, `"FREQ=SECONDLY"`,
			`"FREQ=DAILY;COUNT=0"`, `";"`,
		)
	case "paused", "archived", "read":
		return g.pick(`true`, `false`)
	case "time_zone":
		return g.pick(`"UTC"`, `"Europe/Berlin"`, `"Pacific/Apia"`, `"Local"`)
	case "locale":
		return g.pick(`"de"`, `"en-GB"`, `"zz-ZZ"`, `"x"`)
	case "colour":
		return g.pick(`"#123456"`, `"red"`)
	}
	return g.pick(`"text"`, `"a\u0000b"`, `"`+strings.Repeat("x", 2000)+`"`, `"line\nline"`, `""`)
}

func (g mutationGenerator) data(kind string) string {
	members := map[string][]string{
		"expense": {
			"id", "amount", "currency", "date", "category_id", "category", "notes", "rate", "rule_id", "occurrence",
		},
		"category": {"name", "colour", "icon", "archived"},
		"budget": {
			"category_id", "amount", "currency", "from_month", "until_month", "rollover", "rollover_cap", "alert_at",
		},
		"recurrence": {
			"amount", "currency", "category_id", "notes", "freq", "interval", "weekdays", "month_day", "on_missing",
			"start_date", "until_date", "count", "rrule", "paused",
		},
		"settings": {"home_currency", "time_zone", "locale", "fiscal_year_start", "default_category_id", "limit_rate"},
		"alert":    {"read"},
	}[kind]
	var texts []string
	for i, member := range members {
		required := strings.Contains(" amount name start_date freq ", " "+member+" ") && g.random.IntN(10) > 0
		if required || g.random.IntN(2*len(members)) < 3 || i == 0 && len(members) == 1 {
			texts = append(texts, fmt.Sprintf("%q:%s", member, g.value(member)))
		}
	}
	return "{" + strings.Join(texts, ",") + "}"
}

// TestPush_UnusualMutationsDoNotBlockOthers pushes random mutations whose values are at a limit or beyond it. Each one
// has the same result if the push is sent again. The valid mutation in each push is applied. In the end, the change
// feed and the digest have the same number of rows.
func TestPush_UnusualMutationsDoNotBlockOthers(t *testing.T) {
	var first []string // the responses of the first store; those of the other stores must equal them
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		var responses []string
		generator := mutationGenerator{rand.New(rand.NewPCG(11, 12))} //nolint:gosec // the seed makes the test repeatable
		n, outcomes := 0, map[string]int{}
		for push := range *oddPushes {
			var mutations []string
			for range 20 {
				n++
				kind := []string{
					"expense", "expense", "category", "budget", "budget", "recurrence", "recurrence", "settings", "alert",
				}[generator.random.IntN(9)]
				id, extra := generator.id(), ""
				if kind == "settings" {
					id = "settings"
				}
				switch generator.random.IntN(4) {
				case 0:
					extra = fmt.Sprintf(`,"base_version":%d`, 1+generator.random.IntN(push+2))
				case 1:
					extra = fmt.Sprintf(`,"base_mutation":"odd%d"`, 1+generator.random.IntN(n))
				}
				op := generator.pick("put", "put", "patch", "patch", "delete")
				if op != "delete" {
					extra += `,"data":` + generator.data(kind)
				}
				mutations = append(mutations, mutate(fmt.Sprint("odd", n), kind, op, id, extra))
			}
			valid := syncID(1000 + push) // a category: another expense could exceed the limits of the ledger
			mutations = append(mutations, mutate("good"+valid, "category", "put", valid, `,"data":{"name":"`+valid+`"}`))
			got := s.do("POST", "/v1/sync", `{"mutations":[`+strings.Join(mutations, ",")+`]}`)
			if got.Code != 200 {
				t.Fatalf("push %d: %d %s\n%s", push, got.Code, got.Body, strings.Join(mutations, "\n"))
			}
			results := got.json["results"].([]any)
			responses = append(responses, got.Body.String())
			for _, result := range results {
				outcomes[status(result.(map[string]any))]++
			}
			if last := results[len(results)-1].(map[string]any); status(last) != "applied" {
				t.Errorf("push %d: the valid mutation: %v, want applied", push, last)
			}
			again := s.must(200, "POST", "/v1/sync", `{"mutations":[`+strings.Join(mutations, ",")+`]}`)
			if again.Body.String() != got.Body.String() {
				t.Errorf("push %d, sent again: got\n%s\nwant\n%s", push, again.Body, got.Body)
			}
		}
		for push := range first {
			if responses[push] != first[push] {
				t.Fatalf("push %d: got\n%s\nwant as from the first store\n%s", push, responses[push], first[push])
			}
		}
		first = responses
		changes, _ := s.pull("", 100)
		counts := map[string]float64{}
		for _, change := range changes {
			counts[change["type"].(string)]++
		}
		for kind, digest := range s.must(200, "GET", "/v1/sync/digest", "").json["types"].(map[string]any) {
			if got := digest.(map[string]any)["count"]; got != counts[kind] {
				t.Errorf("the digest counts %v rows of type %s, want %v as in the feed", got, kind, counts[kind])
			}
		}
		t.Logf("%d mutations: results %v, rows at the end %v", n, outcomes, counts)
	})
}
