package httpapi_test

import (
	"testing"

	"github.com/spendwise/spendwise/store"
)

// categoryID returns the ID of the category with this name.
func categoryID(s server, name string) string {
	s.t.Helper()
	for _, c := range s.must(200, "GET", "/v1/categories?limit=200", "").list() {
		if c["name"] == name {
			return c["id"].(string)
		}
	}
	s.t.Fatalf("category %q does not exist", name)
	return ""
}

func TestCategory_AddReadChangeDelete(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		body := `{"id":"` + firstID + `","name":"Cats","colour":"#1E90FF","icon":"paw"}`
		added := s.must(201, "POST", "/v1/categories", body)
		path := "/v1/categories/" + firstID
		equal(t, "Location", added.Header().Get("Location"), path)
		equal(t, "colour", added.json["colour"], any("#1e90ff"))
		equal(t, "archived", added.json["archived"], any(false))
		s.must(200, "POST", "/v1/categories", body)
		s.refused(409, "already_exists", nil, "POST", "/v1/categories", `{"id":"`+firstID+`","name":"Dogs"}`)
		s.refused(409, "already_exists", nil, "POST", "/v1/categories", `{"name":"cats"}`)
		s.refused(409, "already_exists", nil, "PATCH", path, `{"name":"FOOD"}`)

		changed := s.must(200, "PATCH", path, `{"colour":null,"archived":true}`, "If-Match", `"2"`)
		equal(t, "colour", changed.json["colour"], nil)
		s.must(304, "GET", path, "", "If-None-Match", `"3"`)
		s.refused(412, "version_mismatch", nil, "PATCH", path, `{"name":"Lions"}`, "If-Match", `"2"`)
		s.refused(422, "validation_error", []string{"#/category_id archived_category"},
			"POST", "/v1/expenses", `{"amount":"1","category_id":"`+firstID+`"}`)
		s.must(204, "DELETE", path, "", "If-Match", `"3"`)
		s.must(204, "DELETE", path, "")
		s.refused(404, "not_found", nil, "GET", path, "")
		s.refused(409, "gone", nil, "POST", "/v1/categories", body)
	})
}

func TestCategory_RejectsInvalidMembers(t *testing.T) {
	s := serve(t, engines()[0].open(t))
	s.refused(422, "validation_error", []string{"#/name required", "#/colour malformed", "#/icon malformed"},
		"POST", "/v1/categories", `{"colour":"red","icon":"a b"}`)
	other := "/v1/categories/" + categoryID(s, "Other")
	s.refused(422, "validation_error", []string{"#/archived default_category"}, "PATCH", other, `{"archived":true}`)
	s.refused(422, "validation_error", []string{"#/name not_null", "#/archived not_null"}, "PATCH", other,
		`{"name":null,"archived":null}`)
	s.refused(422, "validation_error", []string{"#/archived wrong_type"}, "PATCH", other, `{"archived":"yes"}`)
	s.refused(404, "not_found", nil, "GET", "/v1/categories/7", "")
}

func TestCategory_InUseIsMergedNotDeleted(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		food, travel := categoryID(s, "Food"), categoryID(s, "Travel")
		added := s.must(201, "POST", "/v1/expenses", `{"amount":"1","category":"Food"}`)
		budget := s.must(201, "POST", "/v1/budgets",
			`{"category_id":"`+food+`","amount":"5","currency":"EUR","from_month":"2026-01"}`)
		s.refused(409, "conflict", nil, "DELETE", "/v1/categories/"+food, "")
		path := "/v1/categories/" + food + "/merge"
		s.refused(422, "validation_error", []string{"#/into required"}, "POST", path, `{}`)
		s.refused(422, "validation_error", []string{"#/into malformed_id"}, "POST", path, `{"into":"7"}`)
		s.refused(422, "validation_error", []string{"#/into unknown_category"}, "POST", path, `{"into":"`+firstID+`"}`)
		s.refused(422, "validation_error", []string{"#/into same_category"}, "POST", path, `{"into":"`+food+`"}`)
		merged := s.must(200, "POST", path, `{"into":"`+travel+`"}`, "Idempotency-Key", "merge")
		equal(t, "expenses", merged.json["expenses"], any(1.0))
		ended, _ := merged.json["budget"].(map[string]any)
		equal(t, "ID of the ended budget", ended["id"], any(budget.id()))
		equal(t, "last month of the ended budget", ended["until_month"], any("2026-02"))
		moved := s.must(200, "GET", "/v1/expenses/"+added.id(), "")
		equal(t, "category_id", moved.json["category_id"], any(travel))
		s.refused(404, "not_found", nil, "POST", path, `{"into":"`+travel+`"}`)
		again := s.must(200, "POST", path, `{"into":"`+travel+`"}`, "Idempotency-Key", "merge")
		equal(t, "replayed response", again.Body.String(), merged.Body.String())
		label := s.must(200, "GET", "/v1/budgets/"+budget.id(), "")
		equal(t, "label", label.json["label"], any("Food"))
	})
}
