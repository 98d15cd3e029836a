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
	"odd-pushes", 40, "how many pushes of 20 odd mutations TestOddMutationsBlockNobody sends to each store",
)

// An oddity writes JSON of members that are known and values that are at the edge of what is allowed, or beyond.
type oddity struct{ random *rand.Rand }

// pick takes the first of a list more often than not: it is the usual one.
func (o oddity) pick(list ...string) string {
	if o.random.IntN(2) == 0 {
		return list[0]
	}
	return list[o.random.IntN(len(list))]
}

func (o oddity) id() string { return syncID(1 + o.random.IntN(40)) }

func (o oddity) value(member string) string {
	if o.random.IntN(12) == 0 {
		return o.pick(`null`, `""`, `"\u0000"`, `0`, `-1`, `1e300`, `9223372036854775807`, `true`, `[]`, `{}`, `[null]`,
			`"\ud83d\ude00"`, `" "`,
			`"`+strings.Repeat("9", 400)+`"`)
	}
	switch member {
	case "amount", "rollover_cap", "limit_rate", "rate":
		return o.pick(
			`"1"`, `"0"`, `"-5"`, `"0.01"`, `"0.001"`, `"1234567890.99"`, `"99999999999999"`, `"0.000000000000000001"`, `"1e9"`,
			`"NaN"`,
		)
	case "currency", "home_currency":
		return o.pick(`"EUR"`, `"USD"`, `"JPY"`, `"KWD"`, `"DEM"`, `"eur"`, `"XXX"`, `"CLF"`)
	case "date", "occurrence", "start_date", "until_date":
		return o.pick(
			`"2026-03-08"`, `"0001-01-01"`, `"9999-12-31"`, `"2027-03-08"`, `"2026-02-30"`, `"1970-01-01"`, `"2025-12-31"`,
			`"1900-01-01"`,
		)
	case "from_month", "until_month":
		return o.pick(`"2026-03"`, `"0001-01"`, `"9999-12"`, `"1999-01"`, `"2026-13"`, `"2099-12"`)
	case "category_id", "rule_id", "id", "default_category_id":
		return o.pick(
			`"`+o.id()+`"`, `"00000000-0000-0000-0000-000000000000"`, `"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"`, `"x"`,
		)
	case "category", "name":
		return o.pick(
			`"food"`, `"Food"`, `"Travel"`, `"\u200b"`, `"a\u0000b"`, `"`+strings.Repeat("é", 60)+`"`, `"new `+o.id()+`"`,
		)
	case "freq":
		return o.pick(`"daily"`, `"weekly"`, `"monthly"`, `"yearly"`, `"secondly"`)
	case "interval", "count", "fiscal_year_start":
		return o.pick(`1`, `2`, `12`, `0`, `-1`, `1000000`, `2147483648`, `9007199254740993`)
	case "weekdays":
		return o.pick(`["mon"]`, `["mon","mon"]`, `["xyz"]`, `["mon","tue","wed","thu","fri","sat","sun"]`)
	case "month_day":
		return o.pick(`31`, `"last"`, `0`, `32`, `29`)
	case "on_missing":
		return o.pick(`"clamp"`, `"skip"`)
	case "rollover":
		return o.pick(`"none"`, `"surplus"`, `"deficit"`, `"both"`)
	case "alert_at":
		return o.pick(`["0.80","1.00"]`, `["0"]`, `["99999999"]`, `["1.00","1.00"]`, `[]`)
	case "rrule":
		return o.pick(
			`"FREQ=DAILY"`, `"FREQ=MONTHLY;BYMONTHDAY=-1"`, `"FREQ=YEARLY;INTERVAL=100000"`, `"FREQ=SECONDLY"`,
			`"FREQ=DAILY;COUNT=0"`, `";"`,
		)
	case "paused", "archived", "read":
		return o.pick(`true`, `false`)
	case "time_zone":
		return o.pick(`"UTC"`, `"Europe/Berlin"`, `"Pacific/Apia"`, `"Local"`)
	case "locale":
		return o.pick(`"de"`, `"en-GB"`, `"zz-ZZ"`, `"x"`)
	case "colour":
		return o.pick(`"#123456"`, `"red"`)
	}
	return o.pick(`"text"`, `"a\u0000b"`, `"`+strings.Repeat("x", 2000)+`"`, `"line\nline"`, `""`)
}

func (o oddity) data(what string) string {
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
	}[what]
	var texts []string
	for i, member := range members {
		needed := strings.Contains(" amount name start_date freq ", " "+member+" ") && o.random.IntN(10) > 0
		if needed || o.random.IntN(2*len(members)) < 3 || i == 0 && len(members) == 1 {
			texts = append(texts, fmt.Sprintf("%q:%s", member, o.value(member)))
		}
	}
	return "{" + strings.Join(texts, ",") + "}"
}

// TestOddMutationsBlockNobody pushes mutations at the edge of what is allowed, and beyond: each is answered for good,
// the one good change among them goes in, and who follows the feed holds what the digest says.
func TestOddMutationsBlockNobody(t *testing.T) {
	var first []string // the answers of the first store, which those of the others equal
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		var told []string
		o := oddity{rand.New(rand.NewPCG(11, 12))} //nolint:gosec // a seed makes it repeatable
		n, outcomes := 0, map[string]int{}
		for push := range *oddPushes {
			var mutations []string
			for range 20 {
				n++
				what := []string{
					"expense", "expense", "category", "budget", "budget", "recurrence", "recurrence", "settings", "alert",
				}[o.random.IntN(9)]
				id, more := o.id(), ""
				if what == "settings" {
					id = "settings"
				}
				switch o.random.IntN(4) {
				case 0:
					more = fmt.Sprintf(`,"base_version":%d`, 1+o.random.IntN(push+2))
				case 1:
					more = fmt.Sprintf(`,"base_mutation":"odd%d"`, 1+o.random.IntN(n))
				}
				op := o.pick("put", "put", "patch", "patch", "delete")
				if op != "delete" {
					more += `,"data":` + o.data(what)
				}
				mutations = append(mutations, mutate(fmt.Sprint("odd", n), what, op, id, more))
			}
			good := syncID(1000 + push) // a category: the ledger may hold all the money that it can
			mutations = append(mutations, mutate("good"+good, "category", "put", good, `,"data":{"name":"`+good+`"}`))
			got := s.do("POST", "/v1/sync", `{"mutations":[`+strings.Join(mutations, ",")+`]}`)
			if got.Code != 200 {
				t.Fatalf("push %d: %d %s\n%s", push, got.Code, got.Body, strings.Join(mutations, "\n"))
			}
			results := got.json["results"].([]any)
			told = append(told, got.Body.String())
			for _, result := range results {
				outcomes[status(result.(map[string]any))]++
			}
			if last := results[len(results)-1].(map[string]any); status(last) != "applied" {
				t.Errorf("push %d: the good change: %v", push, last)
			}
			again := s.must(200, "POST", "/v1/sync", `{"mutations":[`+strings.Join(mutations, ",")+`]}`)
			if again.Body.String() != got.Body.String() {
				t.Errorf("push %d, sent again, answers\n%s\nand before\n%s", push, again.Body, got.Body)
			}
		}
		for push := range first {
			if told[push] != first[push] {
				t.Fatalf("push %d answers\n%s\nand on the first store\n%s", push, told[push], first[push])
			}
		}
		first = told
		changes, _ := s.pull("", 100)
		counts := map[string]float64{}
		for _, change := range changes {
			counts[change["type"].(string)]++
		}
		for what, digest := range s.must(200, "GET", "/v1/sync/digest", "").json["types"].(map[string]any) {
			if told := digest.(map[string]any)["count"]; told != counts[what] {
				t.Errorf("the digest counts %v of %s, the feed has %v", told, what, counts[what])
			}
		}
		t.Logf("%d mutations: %v; at the end %v", n, outcomes, counts)
	})
}
