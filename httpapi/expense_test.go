package httpapi_test

import (
	"testing"

	"github.com/spendwise/spendwise/store"
)

const (
	firstID  = "0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70"
	secondID = "0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f71"
)

func TestExpense_AddReadChangeDelete(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		added := s.must(201, "POST", "/v1/expenses", `{"amount":"12.50","currency":"USD","notes":"coffee","category":"food"}`)
		for name, want := range map[string]any{
			"amount": "12.50", "currency": "USD", "date": "2026-03-08", "notes": "coffee", "rate": "0.8",
			"rate_date":   "2026-03-06",
			"rate_source": "ecb", "home_amount": "10.00", "home_currency": "EUR", "pending": false, "rule_id": nil,
			"occurrence": nil,
			"version":    2.0, "created_at": "2026-03-08T12:00:00Z", "updated_at": "2026-03-08T12:00:00Z",
		} {
			equal(t, name, added.json[name], want)
		}
		path := "/v1/expenses/" + added.id()
		equal(t, "Location", added.Header().Get("Location"), path)
		equal(t, "ETag", added.Header().Get("ETag"), `"2"`)

		got := s.must(200, "GET", path, "")
		equal(t, "body of the expense", got.Body.String(), added.Body.String())
		equal(t, "ETag", got.Header().Get("ETag"), `"2"`)
		equal(t, "Cache-Control", got.Header().Get("Cache-Control"), "no-store")
		s.must(304, "GET", path, "", "If-None-Match", `W/"2"`)
		s.must(304, "GET", path, "", "If-None-Match", `"1", "2"`)
		s.must(200, "GET", path, "", "If-None-Match", `"1"`)

		changed := s.must(200, "PATCH", path, `{"notes":null}`, "If-Match", `"2"`)
		equal(t, "notes", changed.json["notes"], "")
		equal(t, "version", changed.json["version"], 3.0)
		stale := s.refused(412, "version_mismatch", nil, "PATCH", path, `{"notes":"tea"}`, "If-Match", `"2"`)
		equal(t, "current_version", stale.json["current_version"], 3.0)
		unchanged := s.must(200, "PATCH", path, `{"notes":""}`)
		equal(t, "version of an unchanged expense", unchanged.json["version"], 3.0)

		s.refused(412, "version_mismatch", nil, "DELETE", path, "", "If-Match", `"2"`)
		s.must(204, "DELETE", path, "", "If-Match", `"3"`)
		s.must(204, "DELETE", path, "", "If-Match", `"2"`)
		s.refused(404, "not_found", nil, "GET", path, "")
		s.refused(404, "not_found", nil, "PATCH", path, `{"notes":"tea"}`)
		s.refused(409, "gone", nil, "POST", "/v1/expenses", `{"id":"`+added.id()+`","amount":"1"}`)
		s.refused(409, "gone", nil, "PUT", path, `{"amount":"1"}`)
	})
}

func TestExpense_PendingUntilRateIsSet(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		added := s.must(201, "POST", "/v1/expenses", `{"amount":"3.250","currency":"KWD"}`)
		for _, name := range []string{"rate", "rate_date", "rate_source", "home_amount"} {
			equal(t, name, added.json[name], nil)
		}
		equal(t, "pending", added.json["pending"], true)
		equal(t, "home_currency", added.json["home_currency"], "EUR")
		changed := s.must(200, "PATCH", "/v1/expenses/"+added.id(), `{"rate":"3.01"}`)
		equal(t, "home_amount", changed.json["home_amount"], "9.78")
		equal(t, "rate_source", changed.json["rate_source"], "user")
		dropped := s.must(200, "PATCH", "/v1/expenses/"+added.id(), `{"rate":null}`)
		equal(t, "pending", dropped.json["pending"], true)
	})
}

func TestExpense_ClientChosenID(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		body := `{"id":"` + firstID + `","amount":"5.00","notes":"bread"}`
		s.must(201, "POST", "/v1/expenses", body)
		again := s.must(200, "POST", "/v1/expenses", body)
		equal(t, "version of a repeated expense", again.json["version"], 2.0)
		s.refused(409, "already_exists", nil, "POST", "/v1/expenses", `{"id":"`+firstID+`","amount":"5.01"}`)

		path := "/v1/expenses/" + secondID
		s.refused(412, "version_mismatch", nil, "PUT", path, `{"amount":"7"}`, "If-Match", `"9"`)
		s.must(201, "PUT", path, `{"amount":"7"}`, "If-None-Match", "*")
		s.must(200, "PUT", path, `{"amount":"7.00"}`)
		s.refused(428, "precondition_required", nil, "PUT", path, `{"amount":"8"}`)
		mismatch := s.refused(412, "version_mismatch", nil, "PUT", path, `{"amount":"8"}`, "If-None-Match", "*")
		equal(t, "current_version", mismatch.json["current_version"], 3.0)
		s.refused(412, "version_mismatch", nil, "PUT", path, `{"amount":"8"}`, "If-Match", `"1"`)
		s.refused(412, "version_mismatch", nil, "PUT", path, `{"amount":"8"}`, "If-Match", `W/"3"`)
		s.must(200, "PUT", path, `{"amount":"8"}`, "If-Match", `"3"`)
		s.must(200, "PUT", path, `{"amount":"9"}`, "If-Match", `*`)
		s.refused(422, "validation_error", []string{"#/id other_id"}, "PUT", path, `{"id":"`+firstID+`","amount":"9"}`)
		s.refused(422, "validation_error", []string{"id malformed_id"}, "PUT", "/v1/expenses/7", `{"amount":"9"}`)
	})
}

func TestExpense_ReportsAllInvalidMembers(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		for name, c := range map[string]struct {
			body        string
			fieldErrors []string
		}{
			"no amount":               {`{}`, []string{"#/amount required"}},
			"an amount of null":       {`{"amount":null}`, []string{"#/amount required"}},
			"an empty amount":         {`{"amount":""}`, []string{"#/amount empty"}},
			"a number for an amount":  {`{"amount":12.5}`, []string{"#/amount wrong_type"}},
			"too many digits":         {`{"amount":"12.505"}`, []string{"#/amount too_many_digits"}},
			"digits of a yen":         {`{"amount":"12.5","currency":"JPY"}`, []string{"#/amount too_many_digits"}},
			"an exponent":             {`{"amount":"1e9"}`, []string{"#/amount malformed_amount"}},
			"nothing spent":           {`{"amount":"0.00"}`, []string{"#/amount zero"}},
			"too much":                {`{"amount":"10000000000000.00"}`, []string{"#/amount too_large"}},
			"an unknown currency":     {`{"amount":"1","currency":"XXQ"}`, []string{"#/currency unknown_currency"}},
			"an impossible date":      {`{"amount":"1","date":"2026-02-30"}`, []string{"#/date impossible_date"}},
			"a date far ahead":        {`{"amount":"1","date":"2028-01-01"}`, []string{"#/date out_of_range"}},
			"an unknown category":     {`{"amount":"1","category":"Yachts"}`, []string{"#/category unknown_category"}},
			"a category of no text":   {`{"amount":"1","category":"a\u0000b"}`, []string{"#/category unknown_category"}},
			"an id that is none":      {`{"amount":"1","id":"7"}`, []string{"#/id malformed_id"}},
			"a rate that is a number": {`{"amount":"1","currency":"USD","rate":0.8}`, []string{"#/rate wrong_type"}},
			"control characters":      {`{"amount":"1","notes":"\u0007"}`, []string{"#/notes control_character"}},
			"several field errors": {`{"amount":5,"currency":"","date":"x","notes":7}`,
				[]string{"#/amount wrong_type", "#/notes wrong_type", "#/currency empty", "#/date malformed_date"}},
		} {
			t.Run(name, func(t *testing.T) {
				s := s
				s.t = t
				s.refused(422, "validation_error", c.fieldErrors, "POST", "/v1/expenses", c.body)
			})
		}
		equal(t, "expenses in the ledger", len(s.must(200, "GET", "/v1/expenses", "").list()), 0)
	})
}

func TestExpense_RejectsMalformedBodies(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		for name, c := range map[string]struct {
			body        string
			fieldErrors []string
		}{
			"nothing":              {``, []string{"# required"}},
			"null":                 {`null`, []string{"# wrong_type"}},
			"an array":             {`[]`, []string{"# wrong_type"}},
			"half an object":       {`{"amount":"1"`, []string{"# syntax"}},
			"two objects":          {`{"amount":"1"}{}`, []string{"# syntax"}},
			"an unknown member":    {`{"amount":"1","colour":"red"}`, []string{"#/colour unknown_member"}},
			"a member in capitals": {`{"Amount":"1"}`, []string{"#/Amount unknown_member", "#/amount required"}},
			"a member given twice": {`{"amount":"1","amount":"2"}`, []string{"#/amount duplicate_member"}},
			"broken UTF-8":         {"{\"amount\":\"1\",\"notes\":\"\xff\"}", []string{"#/notes syntax"}},
			"a broken surrogate":   {`{"amount":"1","notes":"\ud800"}`, []string{"#/notes syntax"}},
			"wrong values beside unknown members": {`{"amount":1,"x":1,"currency":"","date":"2026-02-30","y":{"z":1}}`, []string{
				"#/amount wrong_type", "#/x unknown_member", "#/y unknown_member", "#/currency empty", "#/date impossible_date"}},
		} {
			t.Run(name, func(t *testing.T) {
				s := s
				s.t = t
				s.refused(400, "malformed", c.fieldErrors, "POST", "/v1/expenses", c.body)
			})
		}
	})
}
