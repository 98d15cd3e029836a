package httpapi_test

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// form returns a multipart body and its Content-Type. parts contains the name and the content of each part in turn.
func form(t testing.TB, parts ...string) (body, media string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for i := 0; i < len(parts); i += 2 {
		part, err := w.CreateFormFile(parts[i], parts[i]+".txt")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(parts[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String(), w.FormDataContentType()
}

// upload sends a request that imports file with mapping.
func (s server) upload(query, mapping, file string, header ...string) reply {
	s.t.Helper()
	body, media := form(s.t, "mapping", mapping, "file", file)
	return s.do("POST", "/v1/imports"+query, body, append(header, "Content-Type", media)...)
}

const bankMapping = `{"date":{"column":"Day"},"amount":{"column":"Sum"},"category":{"column":"Kind"}}`

const bankFile = "Day,Sum,Kind\n01.03.2026,\"-1,50\",Food\n02.03.2026,\"-20,00\",Boats\n31.02.2026,\"-1,00\",Food\n"

func TestImport_ReadsOwnExport(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.must(201, "POST", "/v1/expenses", `{"id":"`+firstID+`","amount":"12.50","currency":"USD","notes":"=SUM(A1), `+
			`\"quoted\"\nline","date":"2026-03-07"}`)
		s.must(201, "POST", "/v1/expenses", `{"id":"`+secondID+`","amount":"3.250","currency":"KWD","category":"Food"}`)
		got := s.must(200, "GET", "/v1/exports/expenses.csv", "")
		equal(t, "Content-Disposition", got.Header().Get("Content-Disposition"), `attachment; filename="expenses.csv"`)
		equal(t, "Content-Type", got.Header().Get("Content-Type"), "text/csv; charset=utf-8; header=present")
		want := wire.CSVHeader + "\r\n" +
			firstID + ",2026-03-07,12.50,USD,Other,\"'=SUM(A1), \"\"quoted\"\"\nline\",0.8,2026-03-06,ecb,10.00,EUR,\r\n" +
			secondID + ",2026-03-08,3.250,KWD,Food,,,,,,EUR,\r\n"
		equal(t, "the exported file", got.Body.String(), want)

		filtered := s.must(200, "GET", "/v1/exports/expenses.csv?currency=KWD&bom=true", "").Body.String()
		if !strings.HasPrefix(filtered, "\ufeff"+wire.CSVHeader) || strings.Contains(filtered, "USD") {
			t.Errorf("the filtered file: %q", filtered)
		}
		s.refused(400, "unknown_parameter", []string{"limit unknown_parameter"}, "GET", "/v1/exports/expenses.csv?limit=1",
			"")

		other := s.as("boris")
		result := other.upload("", `{"preset":"spendwise"}`, want)
		equal(t, "added", result.json["added"], any(2.0))
		equal(t, "the file exported again", other.must(200, "GET", "/v1/exports/expenses.csv", "").Body.String(), want)
		equal(t, "known expenses", other.upload("", `{"preset":"spendwise"}`, want).json["known"], any(2.0))
	})
}

func TestImport_OfAnotherProgramIsIdempotent(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		dry := s.upload("?dry_run=true", bankMapping, bankFile)
		equal(t, "status of a dry run", dry.Code, 200)
		equal(t, "a dry run", dry.Body.String(),
			`{"id":null,"added":2,"known":0,"ignored":[],"failed_rows":1,"failed":[{"line":4,`+
				`"column":"Day","code":"malformed_date","detail":"Date \"31.02.2026\" is not a date in the layout DD/MM/YYYY; `+
				`correct it, or the layout in the mapping."}],`+
				`"rows":[{"line":2,"status":"add","date":"2026-03-01","amount":"1.50",`+
				`"currency":"EUR","category":"Food","notes":"","reason":null,"failures":[]},{"line":3,"status":"add",`+
				`"date":"2026-03-02","amount":"20.00","currency":"EUR","category":"Boats","notes":"","reason":null,"failures":[]},`+
				`{"line":4,"status":"failed","date":null,"amount":null,"currency":null,"category":null,"notes":"","reason":null,`+
				`"failures":[{"line":4,"column":"Day","code":"malformed_date","detail":"Date \"31.02.2026\" is not a date in the `+
				`layout DD/MM/YYYY; correct it, or the layout in the mapping."}]}]}`)
		abort := s.upload("?on_error=abort", bankMapping, bankFile)
		equal(t, "added with an invalid line", abort.json["added"], any(0.0))
		equal(t, "id of an aborted import", abort.json["id"], any(nil))
		equal(t, "expenses", len(s.must(200, "GET", "/v1/expenses", "").list()), 0)

		first := s.upload("", bankMapping, bankFile, "Idempotency-Key", "file")
		equal(t, "added", first.json["added"], any(2.0))
		equal(t, "Location", first.Header().Get("Location"), "/v1/imports/"+first.json["id"].(string))
		again := s.upload("", bankMapping, bankFile, "Idempotency-Key", "file")
		equal(t, "Idempotency-Replayed", again.Header().Get("Idempotency-Replayed"), "true")
		equal(t, "the replayed response", again.Body.String(), first.Body.String())
		equal(t, "another file", s.upload("", bankMapping, bankFile+"\n", "Idempotency-Key", "file").json["code"],
			any("idempotency_key_reused"))
		equal(t, "another mapping", s.upload("", `{"preset":"spendwise"}`, bankFile, "Idempotency-Key", "file").json["code"],
			any("idempotency_key_reused"))
		equal(t, "known expenses", s.upload("", bankMapping, bankFile).json["known"], any(2.0))
		boats := s.must(200, "GET", "/v1/expenses?category_id="+categoryID(s, "Boats"), "").list()
		equal(t, "expenses in the new category", len(boats), 1)
		equal(t, "amount of the first one", boats[0]["amount"], any("20.00"))
	})
}

func TestImport_LargeFileWithIdempotencyKey(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		var file strings.Builder
		file.WriteString("Day,Sum,Kind\n")
		for i := range 2500 {
			fmt.Fprintf(&file, "%02d.02.2026,\"-%d,00\",Food\n", 1+i%28, 1+i)
		}
		responses := make([]string, 3)
		var wg sync.WaitGroup
		for i := range responses {
			wg.Go(func() {
				for responses[i] == "" { // one import of a user runs at a time
					got := s.upload("", bankMapping, file.String(), "Idempotency-Key", "k")
					if got.Code == 429 && got.Header().Get("Retry-After") == "2" {
						time.Sleep(10 * time.Millisecond)
						continue
					}
					responses[i] = got.Body.String()
				}
			})
		}
		wg.Wait()
		for i, response := range responses {
			equal(t, fmt.Sprintf("response %d", i), response, responses[0])
		}
		report := s.must(200, "GET", "/v1/reports/monthly?month=2026-02", "")
		equal(t, "expenses", report.json["count"], any(2500.0))
	})
}

func TestImport_InvalidRequestChangesNothing(t *testing.T) {
	s := serve(t, memstore.New())
	for name, c := range map[string]struct {
		status     int
		code       string
		fieldError string
		parts      []string
	}{
		"no file":          {400, "malformed", "", []string{"mapping", bankMapping}},
		"a file twice":     {400, "malformed", "", []string{"file", bankFile, "file", bankFile}},
		"an open question": {422, "mapping_incomplete", "", []string{"file", "Day,Sum\n01/02/2026,-1\n"}},
		"a part too many":  {400, "malformed", "", []string{"mapping", bankMapping, "file", bankFile, "note", "x"}},
		"a broken mapping": {400, "malformed", "#/mapping malformed", []string{"mapping", `{`, "file", bankFile}},
		"an unknown member": {400, "malformed", "#/mapping/colour unknown_member",
			[]string{"mapping", `{"date":{"column":"Day"},"amount":{"column":"Sum"},"colour":1}`, "file", bankFile}},
		"a faulty mapping": {422, "validation_error", "#/mapping/amount/decimal unknown_value",
			[]string{"mapping", `{"amount":{"column":"Sum","decimal":"x"}}`, "file", bankFile}},
		"an unknown column": {422, "validation_error", "#/mapping/date/column unknown_column",
			[]string{"mapping", `{"date":{"column":"Tag"},"amount":{"column":"Sum"}}`, "file", bankFile}},
		"an empty file": {422, "validation_error", "#/file empty_file", []string{"mapping", bankMapping, "file", ""}},
		"a mapping too long": {413, "payload_too_large", "",
			[]string{"mapping", strings.Repeat(" ", 1<<17), "file", bankFile}},
		"a file too long": {413, "payload_too_large", "",
			[]string{"mapping", bankMapping, "file", strings.Repeat("x", 33<<20)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := s
			s.t = t
			body, media := form(t, c.parts...)
			var fieldErrors []string
			if c.fieldError != "" {
				fieldErrors = []string{c.fieldError}
			}
			r := s.request("POST", "/v1/imports", strings.NewReader(body), "Content-Type", media)
			r.ContentLength = -1
			got := s.send(r)
			if got.Code != c.status || got.json["code"] != c.code {
				t.Errorf("without a Content-Length: %d %s, want %d %s", got.Code, got.Body, c.status, c.code)
			}
			s.refused(c.status, c.code, fieldErrors, "POST", "/v1/imports", body, "Content-Type", media)
			if name != "an open question" { // an inspection returns the question
				s.refused(c.status, c.code, fieldErrors, "POST", "/v1/imports/inspect", body, "Content-Type", media)
			}
		})
	}
	body, media := form(t, "mapping", bankMapping, "file", bankFile)
	s.refused(422, "validation_error", []string{"dry_run not_boolean", "on_error unknown_value"},
		"POST", "/v1/imports?dry_run=1&on_error=stop", body, "Content-Type", media)
	s.refused(400, "malformed", []string{"limit out_of_range"}, "GET", "/v1/imports?limit=0", "")
	s.refused(400, "malformed", nil, "POST", "/v1/imports", body[:len(body)-40], "Content-Type", media)
	s.refused(400, "malformed", nil, "POST", "/v1/imports", body, "Content-Type", "multipart/form-data")
	equal(t, "expenses", len(s.must(200, "GET", "/v1/expenses", "").list()), 0)
}

func TestImport_InspectAnswerUndo(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		const file = "Date,Description,Amount\n01/02/2026,Tea,3.00\n02/02/2026,Coffee,4.00\n"
		body, media := form(t, "file", file)
		in := s.must(200, "POST", "/v1/imports/inspect", body, "Content-Type", media)
		questions := in.json["questions"].([]any)
		equal(t, "the number of questions", len(questions), 2)
		first := questions[0].(map[string]any)
		equal(t, "the first question", first["code"], any("date_layout"))
		equal(t, "its second choice", fmt.Sprint(first["choices"].([]any)[1].(map[string]any)["mapping"]),
			"map[date:map[layout:MM/DD/YYYY]]")
		equal(t, "the number of rows", len(in.json["rows"].([]any)), 2)

		open := s.upload("", `{}`, file)
		equal(t, "status with open questions", open.Code, 422)
		equal(t, "questions of the problem", len(open.json["questions"].([]any)), 2)

		mapping := `{"account":"card","date":{"layout":"DD/MM/YYYY"},"sign":{"expense":"positive"}}`
		done := s.upload("", mapping, file)
		equal(t, "status of the import", done.Code, 201)
		path := done.Header().Get("Location")
		listed := s.must(200, "GET", "/v1/imports", "").list()
		equal(t, "the number of imports", len(listed), 1)
		equal(t, "its account", listed[0]["account"], any("card"))
		equal(t, "the import", s.must(200, "GET", path, "").json["added"], any(2.0))
		equal(t, "another user's import", s.as("boris").do("GET", path, "").Code, 404)

		row := s.must(200, "GET", "/v1/expenses", "").list()[0]
		s.must(200, "PATCH", "/v1/expenses/"+row["id"].(string), `{"notes":"edited"}`)
		undone := s.must(200, "DELETE", path, "")
		equal(t, "removed", undone.json["removed"], any(1.0))
		equal(t, "kept", fmt.Sprint(undone.json["kept"]), "["+row["id"].(string)+"]")
		equal(t, "a repeated undo", s.must(200, "DELETE", path, "").json["removed"], any(0.0))
		equal(t, "status of an undone import", s.do("GET", path, "").Code, 404)
		equal(t, "the number of imports after the undo", len(s.must(200, "GET", "/v1/imports", "").list()), 0)
		equal(t, "rows of a new import", s.upload("", mapping, file).json["added"], any(2.0))
		equal(t, "forced rows", s.upload("?force=true", mapping, file).json["added"], any(2.0))

		page := s.must(200, "GET", "/v1/imports?limit=1", "")
		equal(t, "the next page", len(s.must(200, "GET", "/v1/imports?limit=1&cursor="+page.json["next_cursor"].(string), "").
			list()), 1)
	})
}

// A waitingStore lets each View wait until wait is closed.
type waitingStore struct {
	store.Store
	entered chan<- expense.OwnerID
	wait    <-chan struct{}
}

func (st waitingStore) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	st.entered <- owner
	<-st.wait
	return st.Store.View(ctx, owner, fn)
}

func TestImport_ConcurrentImportsAreLimited(t *testing.T) {
	entered, wait := make(chan expense.OwnerID, 100), make(chan struct{})
	s := serve(t, waitingStore{memstore.New(), entered, wait})
	users := []string{"ada", "boris", "cleo", "dora"}
	var imports sync.WaitGroup
	for _, user := range users {
		imports.Go(func() {
			if got := s.as(user).upload("", bankMapping, bankFile); got.Code != 201 {
				t.Errorf("the import of %s: %d %s", user, got.Code, got.Body)
			}
		})
		<-entered
	}
	for user, want := range map[string]string{"ada": "Another import of yours", "emil": "too many imports"} {
		got := s.as(user).upload("", bankMapping, bankFile)
		if got.Code != 429 || got.Header().Get("Retry-After") == "" || !strings.Contains(got.Body.String(), want) {
			t.Errorf("a further import of %s: %d %s", user, got.Code, got.Body)
		}
	}
	close(wait)
	imports.Wait()
	for _, user := range append(users, "emil") {
		if got := s.as(user).upload("?force=true", bankMapping, bankFile); got.Code != 201 {
			t.Errorf("a later import of %s: %d %s", user, got.Code, got.Body)
		}
	}
}
