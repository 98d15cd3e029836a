package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// TestPush_TextThatDatabasesRejectDoesNotBlockOthers tests that a mutation with a NUL character or a very long text is
// rejected, and that the other mutation of its push is applied.
func TestPush_TextThatDatabasesRejectDoesNotBlockOthers(t *testing.T) {
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
			`"type":"recurrence","op":"put","id":"` + syncID(1) + `","data":{"amount":"1","freq":"` + nul +
				`","start_date":"2026-05-01"}`,
			`"type":"recurrence","op":"put","id":"` + syncID(1) + `","data":{"amount":"1","freq":"daily","notes":"` + nul +
				`","start_date":"2026-05-01"}`,
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
				t.Errorf("%.80s: %v, want rejected; the valid mutation: %v, want applied", bad, results[0], results[1])
			}
		}
	})
}

// TestPush_UnusualJSONDoesNotBlockOthers tests JSON that this API does not accept, such as duplicate members. RFC 8259
// does not define its meaning. Only the mutation that contains it is rejected.
func TestPush_UnusualJSONDoesNotBlockOthers(t *testing.T) {
	s := serve(t, memstore.New())
	put := `"type":"expense","op":"put","id":"` + syncID(1) + `","data":`
	for i, c := range []struct{ name, bad, want string }{
		{"a member given twice in the data", put + `{"amount":"1","amount":"2"}`, "malformed #/amount duplicate_member"},
		{
			"a member given twice deeper in the data", put + `{"amount":"1","notes":{"a":1,"a":2}}`,
			"malformed #/notes/a duplicate_member",
		},
		{
			"a member of the mutation given twice", `"op":"delete",` + put + `{"amount":"1"}`, "malformed #/op duplicate_member",
		},
		{"half of a surrogate pair", put + `{"amount":"1","notes":"\ud83d"}`, "malformed #/notes syntax"},
		{"bytes that are no UTF-8", put + `{"amount":"1","notes":"` + "\xff" + `"}`, "malformed #/notes syntax"},
		{"a name that is no UTF-8", put + `{"amount":"1","` + "\xff" + `":"x"}`, "malformed # syntax"},
		{
			"a type that is no UTF-8", `"type":"` + "\xff" + `","op":"put","id":"` + syncID(1) + `","data":{}`,
			"validation_error #/type unknown_value",
		},
		{
			"a member that is not known, and no UTF-8", put + `{"amount":"1"},"` + "\xff" + `":"x"`,
			"malformed #/\ufffd unknown_member",
		},
		{"data that is null", put + `null`, "validation_error #/data wrong_type"},
		{"data that is an array", put + `[{"amount":"1"}]`, "validation_error #/data wrong_type"},
		{"no data", strings.TrimSuffix(put, `,"data":`), "validation_error #/data required"},
		{
			"null in a patch", `"type":"expense","op":"patch","id":"` + syncID(100) + `","data":null`,
			"validation_error #/data wrong_type",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := syncID(100 + i)
			mutations := []string{
				fmt.Sprintf(`{"mutation_id":"bad%d",%s}`, i, c.bad),
				mutate("good"+good, "expense", "put", good, `,"data":{"amount":"1"}`),
			}
			results := s.push(mutations...)
			problem := results[0]["problem"].(map[string]any)
			first := problem["errors"].([]any)[0].(map[string]any)
			got := fmt.Sprint(problem["code"], " ", first["pointer"], " ", first["code"])
			if got != c.want || results[0]["status"] != "rejected" {
				t.Errorf("got %v, want %s", results[0], c.want)
			}
			if status(results[1]) != "applied" {
				t.Errorf("the valid mutation: %v, want applied", results[1])
			}
			if again := s.push(mutations...); fmt.Sprint(again) != fmt.Sprint(results) {
				t.Errorf("sent again: got %v, want %v", again, results)
			}
			keyed := s.must(
				200, "POST", "/v1/sync", `{"mutations":[`+strings.Join(mutations, ",")+`]}`, "Idempotency-Key", "key"+good,
			)
			if !strings.Contains(keyed.Body.String(), `"applied"`) {
				t.Errorf("with an Idempotency-Key: %s, want one mutation applied", keyed.Body)
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
		{
			400, `{"mutations":[{"mutation_id":"m","mutation_id":"n","type":"expense"}]}`,
			"#/mutations/0/mutation_id duplicate_member",
		},
		{400, `{"mutations":[null]}`, "#/mutations/0 wrong_type"},
		{422, `{"mutations":[{}]}`, "#/mutations/0/type unknown_value"},
	} {
		got := s.must(c.status, "POST", "/v1/sync", c.body)
		first := got.json["errors"].([]any)[0].(map[string]any)
		if fieldError := fmt.Sprint(first["pointer"], " ", first["code"]); fieldError != c.want {
			t.Errorf("%s: %s, want %s", c.body, fieldError, c.want)
		}
	}
}
