package httpapi_test

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// addExpenses adds n expenses with different dates, amounts and currencies.
func addExpenses(s server, n int) {
	s.t.Helper()
	for i := range n {
		currency := []string{"EUR", "USD", "KWD"}[i%3]
		s.must(201, "POST", "/v1/expenses", fmt.Sprintf(`{"amount":"%d","currency":%q,"date":"2026-03-%02d","notes":"No %d"}`,
			1+i*7%11, currency, 1+i%8, i))
	}
}

// followPages reads all pages of a list. It returns their entries and their number.
func followPages(s server, path string) (entries []map[string]any, pages int) {
	s.t.Helper()
	for {
		page := s.must(200, "GET", path, "")
		entries, pages = append(entries, page.list()...), pages+1
		link := page.Header().Get("Link")
		if page.json["next_cursor"] == nil {
			equal(s.t, "Link of the last page", link, "")
			return entries, pages
		}
		next, ok := strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		if !ok || !strings.Contains(next, url.QueryEscape(page.json["next_cursor"].(string))) {
			s.t.Fatalf("Link %q does not contain the cursor %v", link, page.json["next_cursor"])
		}
		path = next
	}
}

func TestList_PagesHaveEveryExpenseOnce(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		addExpenses(s, 40)
		for _, sort := range []string{"", "-date", "date", "-amount", "amount", "-created", "created"} {
			for _, limit := range []int{1, 7, 40, 50} {
				path := fmt.Sprintf("/v1/expenses?limit=%d", limit)
				if sort != "" {
					path += "&sort=" + sort
				}
				entries, pages := followPages(s, path)
				ids := map[any]bool{}
				for _, e := range entries {
					ids[e["id"]] = true
				}
				equal(t, path+": expenses", len(entries), 40)
				equal(t, path+": distinct IDs", len(ids), 40)
				equal(t, path+": pages", pages, (40+limit-1)/limit)
			}
		}
		dates, _ := followPages(s, "/v1/expenses?limit=9")
		if !slices.IsSortedFunc(dates,
			func(a, b map[string]any) int { return cmp.Compare(b["date"].(string), a["date"].(string)) }) {
			t.Error("the default order is not by descending date")
		}
	})
}

func TestList_PagesAnyLedgerFilterAndLimit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := serve(t, memstore.New())
		want := 0
		for range rapid.IntRange(0, 12).Draw(rt, "expenses") {
			day, pending := rapid.IntRange(1, 5).Draw(rt, "day"), rapid.Bool().Draw(rt, "pending")
			currency := "EUR"
			if pending {
				currency = "KWD"
			}
			s.must(201, "POST", "/v1/expenses", fmt.Sprintf(`{"amount":"%d","currency":%q,"date":"2026-03-0%d"}`,
				rapid.IntRange(1, 3).Draw(rt, "amount"), currency, day))
			if !pending && day >= 2 {
				want++
			}
		}
		sort := rapid.SampledFrom([]string{"-date", "date", "-amount", "amount", "-created", "created"}).Draw(rt, "sort")
		path := fmt.Sprintf("/v1/expenses?pending=false&date_from=2026-03-02&sort=%s&limit=%d", sort,
			rapid.IntRange(1, 5).Draw(rt, "limit"))
		entries, _ := followPages(s, path)
		ids := map[any]bool{}
		for _, e := range entries {
			ids[e["id"]] = true
		}
		if len(entries) != want || len(ids) != want {
			rt.Fatalf("%s: %d expenses with %d distinct IDs, want %d", path, len(entries), len(ids), want)
		}
	})
}

func TestList_Filters(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		food := s.must(201, "POST", "/v1/expenses", `{"amount":"10","category":"Food","date":"2026-03-01","notes":"Äpfel"}`)
		s.must(201, "POST", "/v1/expenses", `{"amount":"20","currency":"USD","category":"Travel","date":"2026-03-07"}`)
		s.must(201, "POST", "/v1/expenses", `{"amount":"3.250","currency":"KWD","date":"2026-03-08"}`)
		foodID := food.json["category_id"].(string)
		for query, want := range map[string]int{
			"":                     3,
			"date_from=2026-03-07": 2,
			"date_to=2026-03-07":   2,
			"date_from=2026-03-07&date_to=2026-03-07":           1,
			"category_id=" + foodID:                             1,
			"category_id=" + foodID + "&category_id=" + firstID: 1,
			"category_id=" + firstID:                            0,
			"currency=USD":                                      1,
			"currency=USD&amount_min=20":                        1,
			"currency=USD&amount_min=20.01":                     0,
			"currency=EUR&amount_max=10":                        1,
			"q=" + url.QueryEscape("äPF"):                       1,
			"rule_id=" + firstID:                                0,
			"pending=true":                                      1,
			"pending=false":                                     2,
		} {
			equal(t, query, len(s.must(200, "GET", "/v1/expenses?"+query, "").list()), want)
		}
	})
}

func TestList_RejectsInvalidQueries(t *testing.T) {
	s := serve(t, engines()[0].open(t))
	for query, c := range map[string]struct {
		status      int
		code        string
		fieldErrors []string
	}{
		"colour=red":           {400, "unknown_parameter", []string{"colour unknown_parameter"}},
		"Limit=5&sort=x":       {400, "unknown_parameter", []string{"Limit unknown_parameter", "sort unknown_value"}},
		"limit=5&limit=6":      {400, "malformed", []string{"limit duplicate_parameter"}},
		"q=%ff":                {400, "malformed", []string{"q invalid_utf8"}},
		"q=%zz":                {400, "malformed", nil},
		"limit=0":              {400, "malformed", []string{"limit out_of_range"}},
		"limit=-1":             {400, "malformed", []string{"limit out_of_range"}},
		"limit=":               {400, "malformed", []string{"limit out_of_range"}},
		"limit=ten":            {400, "malformed", []string{"limit out_of_range"}},
		"cursor=x":             {400, "cursor_invalid", []string{"cursor cursor_invalid"}},
		"sort=size":            {422, "validation_error", []string{"sort unknown_value"}},
		"date_from=2026-13-01": {422, "validation_error", []string{"date_from impossible_date"}},
		"date_from=2026-03-02&date_to=2026-03-01": {422, "validation_error", []string{"date_to ends_before_start"}},
		"category_id=7": {422, "validation_error", []string{"category_id malformed_id"}},
		"pending=1&currency=EURO&rule_id=x": {422, "validation_error",
			[]string{"currency unknown_currency", "rule_id malformed_id", "pending not_boolean"}},
		"amount_min=1":                  {422, "validation_error", []string{"amount_min currency_required"}},
		"amount_min=1.234&currency=EUR": {422, "validation_error", []string{"amount_min too_many_digits"}},
		"q=%00":                         {422, "validation_error", []string{"q control_character"}},
	} {
		t.Run(query, func(t *testing.T) {
			s := s
			s.t = t
			s.refused(c.status, c.code, c.fieldErrors, "GET", "/v1/expenses?"+query, "")
		})
	}
	s.must(200, "GET", "/v1/expenses?limit=100000", "")
	s.must(200, "GET", "/v1/expenses?limit=99999999999999999999", "")
	s.refused(400, "unknown_parameter", []string{"x unknown_parameter"}, "POST", "/v1/expenses?x=1", `{"amount":"1"}`)
}

func TestList_LimitIsAtMost200(t *testing.T) {
	s := serve(t, engines()[0].open(t))
	addExpenses(s, 201)
	equal(t, "length of the longest page", len(s.must(200, "GET", "/v1/expenses?limit=999", "").list()), 200)
	equal(t, "length of the default page", len(s.must(200, "GET", "/v1/expenses", "").list()), 50)
}

func TestList_CursorIsBoundToItsFilters(t *testing.T) {
	s := serve(t, engines()[0].open(t))
	addExpenses(s, 12)
	cursor := s.must(200, "GET", "/v1/expenses?limit=2&currency=EUR&sort=date", "").json["next_cursor"].(string)
	s.must(200, "GET", "/v1/expenses?limit=3&currency=EUR&sort=date&cursor="+cursor, "")
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(raw)
	flipped[len(flipped)-1] ^= 1
	for name, query := range map[string]string{
		"another filter":     "currency=USD&sort=date&cursor=" + cursor,
		"no filter":          "sort=date&cursor=" + cursor,
		"another order":      "currency=EUR&cursor=" + cursor,
		"cut":                "currency=EUR&sort=date&cursor=" + cursor[:len(cursor)-2],
		"longer":             "currency=EUR&sort=date&cursor=" + cursor + "AA",
		"changed":            "currency=EUR&sort=date&cursor=" + base64.RawURLEncoding.EncodeToString(flipped),
		"empty":              "currency=EUR&sort=date&cursor=",
		"in another base":    "currency=EUR&sort=date&cursor=" + url.QueryEscape(base64.StdEncoding.EncodeToString(raw)),
		"of nothing but sum": "currency=EUR&sort=date&cursor=" + base64.RawURLEncoding.EncodeToString(raw[:8]),
	} {
		t.Run(name, func(t *testing.T) {
			s := s
			s.t = t
			s.refused(400, "cursor_invalid", []string{"cursor cursor_invalid"}, "GET", "/v1/expenses?"+query, "")
		})
	}
	s.refused(400, "cursor_invalid", []string{"cursor cursor_invalid"}, "GET", "/v1/categories?cursor="+cursor, "")
	s.refused(400, "cursor_invalid", []string{"cursor cursor_invalid"}, "GET", "/v1/budgets?cursor="+cursor, "")
}

func TestList_CategoriesAndBudgetsHavePages(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		categories, pages := followPages(s, "/v1/categories?limit=3")
		equal(t, "pages", pages, 4)
		names := make([]string, len(categories))
		for i, c := range categories {
			names[i] = c["name"].(string)
			s.must(201, "POST", "/v1/budgets", `{"category_id":"`+c["id"].(string)+`","amount":"5","from_month":"2026-01",`+
				`"currency":"EUR"}`)
		}
		equal(t, "category names", strings.Join(names, " "),
			"Education Entertainment Food Health Housing Other Shopping Transport Travel Utilities")
		budgets, pages := followPages(s, "/v1/budgets?limit=4")
		equal(t, "pages", pages, 3)
		equal(t, "budgets", len(budgets), 10)
	})
}

func FuzzCursor(f *testing.F) {
	s := serve(f, memstore.New())
	addExpenses(s, 3)
	f.Add(s.must(200, "GET", "/v1/expenses?limit=1", "").json["next_cursor"].(string))
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAA")
	f.Add(strings.Repeat("A", 2000))
	f.Fuzz(func(t *testing.T, cursor string) {
		s := s
		s.t = t
		got := s.do("GET", "/v1/expenses?limit=1&cursor="+url.QueryEscape(cursor), "")
		if got.Code != 200 && got.json["code"] != "cursor_invalid" && got.json["code"] != "malformed" {
			t.Errorf("cursor %q: unexpected response %d %s", cursor, got.Code, got.Body)
		}
	})
}
