package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// quoted matches a quoted value in a detail.
var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// checkDetail checks the form of the detail of a problem or a field error: one sentence of at most 300 characters.
func checkDetail(t testing.TB, where, detail string) {
	t.Helper()
	first, _ := utf8.DecodeRuneInString(detail)
	plain := quoted.ReplaceAllString(detail, "VALUE")
	switch {
	case !strings.HasSuffix(detail, "."):
		t.Errorf("%s: the detail does not end with a full stop: %s", where, detail)
	case utf8.RuneCountInString(detail) > 300:
		t.Errorf("%s: the detail has %d characters, want at most 300: %s", where, utf8.RuneCountInString(detail), detail)
	case !unicode.IsUpper(first) && !unicode.IsDigit(first) && first != '"':
		t.Errorf("%s: the detail does not begin with a capital letter: %s", where, detail)
	case regexp.MustCompile(`^\w+_|[.:] [A-Z][a-z]+ `).MatchString(plain):
		t.Errorf("%s: the detail is not one sentence in plain words: %s", where, detail)
	case strings.ContainsFunc(detail, unicode.IsControl) || !utf8.ValidString(detail):
		t.Errorf("%s: the detail quotes a value without escapes: %q", where, detail)
	}
}

// A problemDetail is the part of a problem that a person reads.
type problemDetail struct {
	Detail string
	Errors []struct{ Pointer, Parameter, Header, Code, Detail string }
}

// checkDetails checks all details of a problem.
func checkDetails(t testing.TB, where string, body []byte) problemDetail {
	t.Helper()
	var p problemDetail
	if err := json.Unmarshal(body, &p); err != nil {
		t.Errorf("%s: %v", where, err)
	}
	checkDetail(t, where, p.Detail)
	for _, e := range p.Errors {
		checkDetail(t, where+" "+e.Pointer+e.Parameter+e.Header, e.Detail)
	}
	return p
}

// badValues are JSON values, with the text that the detail of an error must contain. The text is empty for a value that
// has no short form.
var badValues = map[string]string{
	`7.25`: "7.25", `-3`: "-3", `"\u0007bad7"`: `\a`, `"bad-8"`: "bad-8", `""`: "", `{}`: "", `true`: "", `null`: "",
	`["bad-9"]`: "", `[1.5]`: "", `"9999-99-99"`: "9999-99-99", `"0"`: "", `"1e400"`: "1e400",
	`"` + strings.Repeat("x", 5000) + `"`: "", `"` + strings.Repeat(`\u202e`, 2500) + `"`: "",
	`"😀é"`: "😀é",
}

// shows reports whether detail contains value. Details that name the length of a text, its category of error or a
// normalised amount need not contain it.
func shows(detail, value string, code string) bool {
	exempt := []string{
		"required", "too_long", "empty", "not_null", "ambiguous", "incomplete", "contradiction", "wrong_password",
		"too_short",
		"too_common", "not_applicable", "no_occurrence",
	}
	return strings.Contains(strings.ToLower(detail), strings.ToLower(value)) || slices.Contains(exempt, code)
}

// TestDetails_NameTheValueOfEachMember sends bad values for each member of each request that the contract documents,
// also together with an unknown member. Each detail is a sentence. It contains the value, unless that is a secret.
func TestDetails_NameTheValueOfEachMember(t *testing.T) {
	h := newAccountServer(t)
	user := h.addUser()
	doc := contractOf(t)
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			content := doc.at("paths", path, method, "requestBody").resolve(doc).at("content", "application/json", "schema")
			members := content.resolve(doc).at("properties")
			target := strings.NewReplacer("{id}", firstID, "{code}", "x").Replace(path)
			if strings.HasPrefix(target, "/v1/settings") || target == "/v1/me" {
				target = path
			}
			for member := range members {
				for value, text := range badValues {
					for _, body := range []string{`{"` + member + `":` + value + `}`, `{"x":1,"` + member + `":` + value + `}`} {
						where := strings.ToUpper(method) + " " + target + " " + body[:min(len(body), 80)]
						got := h.do(strings.ToUpper(method), target, body, "Authorization", "Bearer "+user.token)
						if got.Code < 400 {
							continue
						}
						if got.Code >= 500 {
							t.Errorf("%s: status %d", where, got.Code)
						}
						p := checkDetails(t, where, got.Body.Bytes())
						checkShown(t, where, p, "#/"+member, value, text)
						unknown := slices.ContainsFunc(p.Errors, func(e struct{ Pointer, Parameter, Header, Code, Detail string }) bool {
							return e.Pointer == "#/x" && e.Code == "unknown_member"
						})
						if strings.Contains(body, `{"x"`) && got.Code != 404 && (!unknown || got.Code != 400) {
							t.Errorf("%s: %d %s, want 400 and an error of #/x", where, got.Code, got.Body)
						}
					}
				}
			}
		}
	}
}

func checkShown(t *testing.T, where string, p problemDetail, pointer, value, text string) {
	t.Helper()
	secret := strings.Contains(pointer, "password") || strings.Contains(pointer, "token")
	for _, e := range p.Errors {
		if e.Pointer != pointer && !strings.HasPrefix(e.Pointer, pointer+"/") {
			continue
		}
		switch {
		case secret && len(value) > 3 && value[0] == '"' && strings.Contains(e.Detail, strings.Trim(value, `"`)):
			t.Errorf("%s: the detail contains the secret: %s", where, e.Detail)
		case !secret && text != "" && !shows(e.Detail, text, e.Code):
			t.Errorf("%s: the detail does not contain %s: %s", where, text, e.Detail)
		}
	}
}

// TestDetails_NameTheValueOfEachParameter sends bad values for each query parameter that the contract documents.
func TestDetails_NameTheValueOfEachParameter(t *testing.T) {
	h := newAccountServer(t)
	user := h.addUser()
	doc := contractOf(t)
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			if strings.HasSuffix(path, "/events") {
				continue
			}
			target := strings.NewReplacer("{id}", firstID, "{code}", "x").Replace(path)
			method = strings.ToUpper(method)
			unknown := h.do(method, target+"?bad-8=1", "", "Authorization", "Bearer "+user.token)
			p := checkDetails(t, method+" "+target, unknown.Body.Bytes())
			if found := fmt.Sprint(p); unknown.Code != 415 && unknown.Code != 404 &&
				(unknown.Code != 400 || !strings.Contains(found, `"bad-8" is unknown`)) {
				t.Errorf("%s %s?bad-8=1: %d %s, want 400 that names the parameter", method, target, unknown.Code, unknown.Body)
			}
			parameters, _ := doc.at("paths", path, strings.ToLower(method))["parameters"].([]any)
			for _, raw := range parameters {
				parameter := jsonTree(raw.(map[string]any)).resolve(doc)
				if parameter["in"] != "query" {
					continue
				}
				name := parameter["name"].(string)
				for _, value := range []string{"bad-8", "%07bad", "", "-1", strings.Repeat("y", 3000), "%ff"} {
					where := method + " " + target + "?" + name + "=" + value[:min(len(value), 20)]
					got := h.do(method, target+"?"+name+"="+value, "", "Authorization", "Bearer "+user.token)
					if got.Code < 400 {
						continue
					}
					for _, e := range checkDetails(t, where, got.Body.Bytes()).Errors {
						if e.Parameter == name && (value == "bad-8" || value == "-1") && !shows(e.Detail, value, e.Code) &&
							e.Code != "currency_required" {
							t.Errorf("%s: the detail does not contain %s: %s", where, value, e.Detail)
						}
					}
				}
			}
		}
	}
}

// TestDetails_NameTheValueOfEachMemberOfAMutation sends bad values for each member of each mutation of a push.
func TestDetails_NameTheValueOfEachMemberOfAMutation(t *testing.T) {
	s := serve(t, memstore.New())
	doc := contractOf(t)
	count := 0
	send := func(member, value, text, mutation string) {
		t.Helper()
		count++
		mutation = strings.Replace(mutation, "MUTATION", fmt.Sprintf("m%d", count), 1)
		got := s.do("POST", "/v1/sync", `{"mutations":[`+mutation+`]}`)
		where := mutation[:min(len(mutation), 160)]
		if got.Code != 200 {
			checkDetails(t, where, got.Body.Bytes())
			return
		}
		problem, _ := got.json["results"].([]any)[0].(map[string]any)["problem"].(map[string]any)
		if problem == nil {
			return
		}
		body, err := json.Marshal(problem)
		if err != nil {
			t.Fatal(err)
		}
		checkShown(t, where, checkDetails(t, where, body), "#/"+member, value, text)
	}
	for kind, schemas := range map[string][2]string{
		"expense": {"ExpenseInput", "ExpensePatch"}, "category": {"CategoryInput", "CategoryPatch"},
		"budget": {"BudgetInput", "BudgetPatch"}, "recurrence": {"RuleInput", "RulePatch"},
		"alert": {"BudgetAlertPatch", "BudgetAlertPatch"}, "settings": {"SettingsPatch", "SettingsPatch"},
	} {
		id := syncID(1)
		if kind == "settings" {
			id = kind
		}
		for i, op := range []string{"put", "patch"} {
			members := doc.at("components", "schemas", schemas[i], "properties")
			if len(members) == 0 {
				t.Errorf("the contract has no schema %s with properties", schemas[i])
			}
			for member := range members {
				for value, text := range badValues {
					send(member, value, text, fmt.Sprintf(`{"mutation_id":"MUTATION","type":%q,"op":%q,"id":%q,"data":{%q:%s}}`,
						kind, op, id, member, value))
				}
			}
		}
	}
	valid := map[string]string{
		"mutation_id": `"MUTATION"`, "type": `"expense"`, "op": `"put"`, "id": `"` + syncID(1) + `"`,
		"data": `{"amount":"1"}`,
	}
	for _, member := range []string{"mutation_id", "type", "op", "id", "base_version", "base_mutation", "data"} {
		for value, text := range badValues {
			mutation := maps.Clone(valid)
			mutation[member] = value
			var parts []string
			for _, name := range slices.Sorted(maps.Keys(mutation)) {
				parts = append(parts, `"`+name+`":`+mutation[name])
			}
			send(member, value, text, "{"+strings.Join(parts, ",")+"}")
		}
	}
}

// TestDetails_OfHeadersAndSentinels checks the details of malformed headers and of the errors of the domain, the store
// and the ingress.
func TestDetails_OfHeadersAndSentinels(t *testing.T) {
	s := serve(t, memstore.New())
	s.must(201, "PUT", "/v1/expenses/"+firstID, `{"amount":"1"}`)
	for _, header := range [][2]string{
		{"If-Match", "bad-8"}, {"If-None-Match", "bad-8"}, {"If-None-Match", `"bad-8"`}, {"Idempotency-Key", "bad-8 "},
		{"Content-Type", "text/bad-8"}, {"Content-Encoding", "bad-8"}, {"Content-Type", "application/json; charset=bad-8"},
	} {
		got := s.do(http.MethodPatch, "/v1/expenses/"+firstID, `{"amount":"2"}`, header[0], header[1])
		p := checkDetails(t, header[0], got.Body.Bytes())
		if got.Code != 400 && got.Code != 415 || !strings.Contains(p.Detail, "bad-8") {
			t.Errorf("%s: %s: %d %s, want a detail that contains bad-8", header[0], header[1], got.Code, p.Detail)
		}
	}
	for _, detail := range problem.SentinelDetails() {
		checkDetail(t, "a sentinel", detail)
	}
}

func TestValidation_ListsErrorsOfQueryHeadersAndBodyTogether(t *testing.T) {
	s := serve(t, memstore.New())
	s.refused(400, "unknown_parameter", []string{
		"colour unknown_parameter", "id malformed_id", "If-Match malformed_tag", "#/colour unknown_member",
		"#/amount wrong_type", "#/currency empty", "Idempotency-Key malformed_key", "#/date impossible_date",
		"#/category unknown_category",
	}, "PUT", "/v1/expenses/7?colour=red", `{"colour":1,"amount":1,"currency":"","date":"2026-02-30","category":"Yachts"}`,
		"If-Match", "x", "Idempotency-Key", "a b")
	s.refused(400, "unknown_parameter", []string{"colour unknown_parameter", "#/notes duplicate_member"},
		"POST", "/v1/expenses?colour=red", `{"notes":"","notes":""}`)
	s.refused(400, "unknown_parameter", []string{
		"colour unknown_parameter", "date_from malformed_date", "date_to required", "by unknown_value",
	}, "GET", "/v1/reports/trend?date_from=x&by=hour&colour=red", "")
	s.refused(400, "malformed", []string{"pending not_boolean", "limit out_of_range"},
		"GET", "/v1/expenses?limit=0&pending=1", "")
	s.refused(404, "not_found", nil, "PATCH", "/v1/expenses/"+secondID, `{"colour":1}`)
	equal(t, "expenses", len(s.must(200, "GET", "/v1/expenses", "").list()), 0)

	accounts := serveAccounts(t, auth.Config{})
	accounts.refused(400, "malformed", []string{
		"#/colour unknown_member", "#/time_zone empty", "#/email malformed_email", "#/password too_short",
		"#/home_currency unknown_currency",
	}, "POST", "/v1/auth/register", `{"colour":1,"email":"x","password":"y","home_currency":"EURO","time_zone":""}`)
}

// TestPush_ListsAllErrorsOfMutation tests that the errors of a mutation's members, of the JSON of its data and of the
// values in its data are listed together.
func TestPush_ListsAllErrorsOfMutation(t *testing.T) {
	s := serve(t, memstore.New())
	s.must(201, "PUT", "/v1/expenses/"+firstID, `{"amount":"1"}`)
	for _, c := range []struct {
		name, mutation string
		want           []string
	}{
		{"a wrong type beside a wrong value",
			`"type":"expense","op":"put","id":"` + secondID + `","data":{"amount":1,"currency":"eur","date":"x","x":1}`,
			[]string{"#/amount wrong_type", "#/x unknown_member", "#/currency unknown_currency", "#/date malformed_date"}},
		{"a patch", `"type":"expense","op":"patch","id":"` + firstID + `","data":{"notes":1,"currency":"eur"}`,
			[]string{"#/notes wrong_type", "#/currency unknown_currency"}},
		{"a malformed id", `"type":"expense","op":"put","id":"7","data":{"amount":"0","currency":"eur"}`,
			[]string{"#/id malformed_id", "#/currency unknown_currency", "#/amount zero"}},
		{"all members", `"type":"yacht","op":"buy","id":"7","base_version":0,"base_mutation":"m","x":1`,
			[]string{"#/x unknown_member", "#/base_version out_of_range", "#/base_mutation ambiguous",
				"#/type unknown_value", "#/id malformed_id", "#/op unknown_value"}},
		{"a base of the future", `"type":"category","op":"put","id":"` + secondID + `","base_version":99,` +
			`"data":{"name":"","colour":"red","icon":1}`,
			[]string{"#/icon wrong_type", "#/name empty", "#/base_version ahead_of_server", "#/colour malformed"}},
		{"a budget", `"type":"budget","op":"put","id":"` + secondID + `","data":{"amount":1,"alert_at":["x",1,"0.5"]}`,
			[]string{"#/amount wrong_type", "#/alert_at/1 wrong_type", "#/alert_at/0 malformed_ratio"}},
		{"a rule", `"type":"recurrence","op":"put","id":"` + secondID + `","data":{"amount":"0","freq":1,"start_date":"x"}`,
			[]string{"#/freq wrong_type", "#/amount zero", "#/start_date malformed_date"}},
		{"settings", `"type":"settings","op":"patch","id":"settings","data":{"locale":1,"time_zone":"Mars"}`,
			[]string{"#/locale wrong_type", "#/time_zone unknown_zone"}},
		{"an alert", `"type":"alert","op":"patch","id":"` + secondID + `","data":{}`, []string{"#/read required"}},
	} {
		got := s.must(200, "POST", "/v1/sync", `{"mutations":[{"mutation_id":"`+strings.ReplaceAll(c.name, " ", "-")+`",`+
			c.mutation+`}]}`).json["results"].([]any)[0].(map[string]any)
		equal(t, c.name+": status", got["status"], any("rejected"))
		problem := got["problem"].(map[string]any)
		errs, _ := problem["errors"].([]any)
		var actual []string
		for _, e := range errs {
			actual = append(actual, fmt.Sprint(e.(map[string]any)["pointer"], " ", e.(map[string]any)["code"]))
		}
		if !slices.Equal(actual, c.want) {
			t.Errorf("%s: field errors %q, want %q", c.name, actual, c.want)
		}
	}
	s.refused(400, "malformed", []string{
		"#/mutations/1/base_version wrong_type", "#/mutations/1/x unknown_member", "#/mutations/1/id malformed_id",
		"#/mutations/1/op unknown_value", "#/mutations/1/mutation_id malformed_id",
		"#/mutations/2/mutation_id malformed_id", "#/mutations/2/data/amount wrong_type",
	}, "POST", "/v1/sync", `{"mutations":[{"mutation_id":"ok","type":"expense","op":"put","id":"7"},`+
		`{"mutation_id":"","type":"expense","op":"buy","id":"7","base_version":"1","x":1},`+
		`{"type":"expense","op":"put","id":"`+secondID+`","data":{"amount":1}}]}`)
	equal(t, "expenses", len(s.must(200, "GET", "/v1/expenses", "").list()), 1)
}

func TestValidation_ListsAtMost50Errors(t *testing.T) {
	s := serve(t, memstore.New())
	var body, query strings.Builder
	for i := range 60 {
		_, _ = fmt.Fprintf(&body, `"x%d":1,`, i)
		_, _ = fmt.Fprintf(&query, "x%d=1&", i)
	}
	for _, got := range []reply{
		s.must(400, "POST", "/v1/expenses", `{`+body.String()+`"amount":"1"}`),
		s.must(400, "GET", "/v1/expenses?"+query.String(), ""),
	} {
		equal(t, "listed errors", len(got.json["errors"].([]any)), 50)
		equal(t, "detail", got.json["detail"], any(`The request has 60 errors; correct the 50 in the member "errors", `+
			"then send it again to get the others."))
	}
}

// TestDetails_NameRowAndVersions tests that the problems of a row name it, its version and the version of the request,
// with every store.
func TestDetails_NameRowAndVersions(t *testing.T) {
	const thirdID = "0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f72"
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.must(201, "PUT", "/v1/expenses/"+firstID, `{"amount":"1"}`)
		s.must(201, "PUT", "/v1/expenses/"+thirdID, `{"amount":"1"}`)
		s.must(204, "DELETE", "/v1/expenses/"+thirdID, "")
		food := s.must(201, "POST", "/v1/categories", `{"name":"Food for cats"}`).id()
		rule := s.must(201, "POST", "/v1/recurrences",
			`{"amount":"1","freq":"daily","start_date":"2026-03-09","category_id":"`+food+`"}`).id()
		settings := s.must(200, "GET", "/v1/settings", "").json["version"]
		for _, c := range []struct {
			method, target, body string
			header               []string
			want                 string
		}{
			{"GET", "/v1/expenses/" + secondID, "", nil, "The ledger has no expense " + secondID + "; check the id."},
			{"PATCH", "/v1/expenses/" + secondID, "{}", nil, "The ledger has no expense " + secondID + "; check the id."},
			{"GET", "/v1/expenses/" + thirdID, "", nil,
				"The expense " + thirdID + " was deleted; create a new one with another id."},
			{"POST", "/v1/expenses", `{"id":"` + thirdID + `","amount":"2"}`, nil,
				"The id " + thirdID + " belongs to a deleted expense; use a new id."},
			{"POST", "/v1/expenses", `{"id":"` + firstID + `","amount":"2"}`, nil, "The expense " + firstID +
				" has version 2 and other content; use another id, or change the existing expense."},
			{"PUT", "/v1/expenses/" + firstID, `{"amount":"2"}`, nil, "The expense " + firstID +
				" has version 2 and other content; send its ETag in If-Match to replace it."},
			{"PATCH", "/v1/expenses/" + firstID, "{}", []string{"If-Match", `"1"`},
				"If-Match requires version 1 of the expense " + firstID +
					", but its version is 2; get it and repeat the request with its ETag."},
			{"PATCH", "/v1/expenses/" + firstID, "{}", []string{"If-Match", `"1", "7", W/"2"`},
				"If-Match requires version 1 or 7 of the expense " + firstID +
					", but its version is 2; get it and repeat the request with its ETag."},
			{"PATCH", "/v1/expenses/" + firstID, "{}", []string{"If-Match", `"x"`},
				"If-Match requires another version of the expense " + firstID +
					", but its version is 2; get it and repeat the request with its ETag."},
			{"PUT", "/v1/expenses/" + firstID, `{"amount":"2"}`, []string{"If-None-Match", "*"},
				"If-None-Match requires that the expense " + firstID +
					" does not exist, but it has version 2; send its ETag in If-Match to replace it."},
			{"PUT", "/v1/expenses/" + secondID, `{"amount":"2"}`, []string{"If-Match", `"2"`},
				"If-Match requires that the expense " + secondID + " exists, but it does not; leave If-Match out to create it."},
			{"PATCH", "/v1/settings", `{"locale":"de"}`, []string{"If-Match", `"77"`},
				fmt.Sprintf("If-Match requires version 77 of the settings resource, but its version is %v; get it and repeat the "+
					"request with its ETag.", settings)},
			{"GET", "/v1/categories/" + firstID, "", nil, "The ledger has no category " + firstID + "; check the id."},
			{"POST", "/v1/categories", `{"name":"FOOD for cats"}`, nil, "The category " + food +
				` already has the name "Food for cats"; choose another name, or use that category.`},
			{"DELETE", "/v1/categories/" + food, "", nil,
				"Expenses, recurring rules, budgets or the settings use the category " + food +
					"; archive it, merge it into another category, or first choose another default category."},
			{"POST", "/v1/categories/" + firstID + "/merge", `{"into":"` + food + `"}`, nil,
				"The ledger has no category " + firstID + "; check the id."},
			{"GET", "/v1/budgets/" + firstID, "", nil, "The ledger has no budget " + firstID + "; check the id."},
			{"PATCH", "/v1/budgets/" + firstID, "{}", nil, "The ledger has no budget " + firstID + "; check the id."},
			{"POST", "/v1/budgets/alerts/" + firstID + "/read", "", nil,
				"The ledger has no budget alert " + firstID + "; check the id."},
			{"GET", "/v1/recurrences/" + firstID, "", nil, "The ledger has no recurring rule " + firstID + "; check the id."},
			{"GET", "/v1/recurrences/" + firstID + "/preview", "", nil,
				"The ledger has no recurring rule " + firstID + "; check the id."},
			{"POST", "/v1/recurrences/" + firstID + "/skip", `{"date":"2026-03-09"}`, nil,
				"The ledger has no recurring rule " + firstID + "; check the id."},
			{"POST", "/v1/recurrences", `{"id":"` + rule + `","amount":"2","freq":"daily","start_date":"2026-03-09"}`, nil,
				"The recurring rule " + rule + " has version 6 and other content; use another id, or change the existing " +
					"recurring rule."},
		} {
			got := s.do(c.method, c.target, c.body, c.header...)
			equal(t, c.method+" "+c.target+" "+c.body, got.json["detail"], any(c.want))
		}
		for _, m := range [][2]string{
			{`{"mutation_id":"a","type":"expense","op":"put","id":"` + firstID + `","base_version":1,"data":{"amount":"2"}}`,
				"The expense " + firstID + " has version 2, and this change is based on version 1; compare both, and push the " +
					"change that applies with base_version 2."},
			{`{"mutation_id":"b","type":"expense","op":"put","id":"` + firstID + `","data":{"amount":"2"}}`,
				"The expense " + firstID + " has version 2, and this change is without a known base version; compare both, and " +
					"push the change that applies with base_version 2."},
			{`{"mutation_id":"b","type":"expense","op":"put","id":"` + firstID + `","data":{"amount":"3"}}`,
				`Another mutation has used the mutation id "b"; give each mutation a new id.`},
			{`{"mutation_id":"c","type":"expense","op":"patch","id":"` + thirdID + `","data":{"amount":"3"}}`,
				"The id " + thirdID + " belongs to a deleted expense; use a new id."},
			{`{"mutation_id":"d","type":"expense","op":"patch","id":"` + secondID + `","data":{"amount":"3"}}`,
				"The ledger has no expense " + secondID + "; check the id."},
		} {
			got := s.must(200, "POST", "/v1/sync", `{"mutations":[`+m[0]+`]}`)
			problem := got.json["results"].([]any)[0].(map[string]any)["problem"].(map[string]any)
			equal(t, m[0], problem["detail"], any(m[1]))
		}
	})
}

func TestDetails_OfAccounts(t *testing.T) {
	h := newAccountServer(t)
	user := h.addUser()
	bearer := []string{"Authorization", "Bearer " + user.token}
	for target, want := range map[string]string{
		"/v1/devices/" + firstID: "The account has no session " + firstID + "; check the id.",
		"/v1/tokens/" + firstID:  "The account has no token " + firstID + "; check the id.",
	} {
		equal(t, target, h.do("DELETE", target, "", bearer...).json["detail"], any(want))
	}
	equal(t, "detail of a taken address", h.do("POST", "/v1/auth/register",
		`{"email":"`+user.email+`","password":"nine purple otters knitting"}`).json["detail"],
		any(`Another account has the e-mail address "`+user.email+`"; log in to it, or give another address.`))
	token := h.must(201, "POST", "/v1/tokens", `{"name":"n","scopes":["read"]}`, bearer...).json["token"].(string)
	got := h.do("POST", "/v1/expenses", `{"amount":"1"}`, "Authorization", "Bearer "+token)
	equal(t, "detail of 403", got.json["detail"],
		any(`The credentials lack the scope "write"; use credentials with this scope.`))
}

// TestDetails_AreSentences shows the sentences of typical errors.
func TestDetails_AreSentences(t *testing.T) {
	s := serve(t, memstore.New())
	s.must(201, "POST", "/v1/budgets", `{"amount":"100","category":"food"}`)
	for _, c := range []struct{ method, target, body, want string }{
		{"POST", "/v1/expenses", `{"amount":"12.345"}`, `Amount "12.345" has 3 decimals; EUR allows 2, so round it.`},
		{"POST", "/v1/expenses", `{"amount":12.5}`, `The value 12.5 of "amount" is a number; give a string.`},
		{"POST", "/v1/expenses", `{"amount":"99999999999999"}`,
			`Amount 99999999999999 is too large; give less than 10^15 minor units of EUR.`},
		{"POST", "/v1/expenses", `{"amount":"1","notes":"a\u0007"}`,
			`The notes contain "\a"; give UTF-8 without control characters other than newline and tab.`},
		{"POST", "/v1/expenses", `{"amount":"1","colour":"red"}`,
			`The member "colour" is unknown; remove it or correct its name.`},
		{"POST", "/v1/expenses", `{"amount":"1","category":"Yachts"}`,
			`The ledger has no category "Yachts"; create it or give another.`},
		{"POST", "/v1/expenses", `{"amount":"1","category":"Food","category_id":"` + categoryID(s, "Food") + `"}`,
			`Category "Food" is given besides category_id; give one of them.`},
		{"POST", "/v1/budgets", `{"amount":"1","category":"Yachts"}`,
			`The ledger has no category "Yachts"; create it or give another.`},
		{"POST", "/v1/budgets", `{"amount":"1","category":""}`,
			`The member "category" is empty; give it a value or, if it is optional, leave it out.`},
		{"POST", "/v1/recurrences", `{"amount":"1","start_date":"2026-03-01","freq":"hourly"}`,
			`Frequency "hourly" is unknown; give daily, weekly, monthly or yearly.`},
		{"POST", "/v1/recurrences", `{"amount":"1","start_date":"2026-03-01","rrule":"FREQ=MONTHLY;BYDAY=2MO"}`,
			`The part "BYDAY=2MO" is malformed; give a list of MO, TU, WE, TH, FR, SA, SU.`},
		{"POST", "/v1/recurrences", `{"amount":"1","start_date":"2026-03-01","freq":"daily","count":0}`,
			`The count 0 is out of range; give a number from 1 to 100000, or leave the member out if there is no limit.`},
		{"PATCH", "/v1/settings", `{"time_zone":"Mars"}`,
			`"Mars" is not an IANA time zone; give one such as Europe/Berlin.`},
		{"GET", "/v1/expenses?pending=1", "", `The value "1" of pending is neither true nor false; give one of them.`},
		{"GET", "/v1/expenses?sort=size", "",
			`The order "size" is unknown; give date, amount or created, with a minus sign before it for descending order.`},
		{"GET", "/v1/reports/range?date_from=2026-03-02&date_to=2026-03-01", "",
			`The last day 2026-03-01 is before the first day 2026-03-02; swap them.`},
		{"GET", "/v1/expenses/7", "", `The ledger has no resource with the id "7"; check the id in the path.`},
		{"GET", "/v1/yachts", "", `The API has no route for the path "/v1/yachts"; see /docs for all routes.`},
		{"PUT", "/v1/expenses", "{}",
			`The path "/v1/expenses" does not support the method "PUT"; use one of POST, GET, HEAD.`},
		{"DELETE", "/v1/budgets/progress", "",
			`The path "/v1/budgets/progress" does not support the method "DELETE"; use one of GET, HEAD.`},
		{"POST", "/v1/expenses", "", "The body is empty; send a JSON object."},
		{"POST", "/v1/expenses", "[]", "The JSON value is an array; send an object."},
		{"POST", "/v1/expenses", "yes", "The body is not JSON; send a JSON object."},
		{"POST", "/v1/expenses", `{"amount":"1.5","currency":"JPY"}`,
			`Amount "1.5" has 1 decimal; JPY allows 0, so round it.`},
		{"POST", "/v1/recurrences", `{"amount":"1","start_date":"2026-03-01","freq":"weekly","weekdays":["mon","x"]}`,
			`Weekday "x" is unknown; give one of mon, tue, wed, thu, fri, sat, sun.`},
		{"POST", "/v1/expenses", `{"amount":"1","date":"x","currency":"y"}`,
			`The request has 2 errors; see the member "errors" and correct them all.`},
		{"POST", "/v1/sync", `{"mutations":[{"mutation_id":"a b","type":"expense","op":"delete","id":"` + firstID + `"}]}`,
			`The mutation id "a b" is malformed; give 1 to 255 letters, digits and . _ : -, for example a UUID.`},
	} {
		got := s.do(c.method, c.target, c.body)
		equal(t, c.method+" "+c.target+" "+c.body, got.json["detail"], any(c.want))
	}
}
