package httpapi_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/sqlite"
)

// openFile opens an SQLite file as a server would.
func openFile(t *testing.T, file string) (*sqlite.Store, server) {
	t.Helper()
	st, err := sqlite.Open(t.Context(), file)
	if err == nil {
		err = st.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return st, serve(t, st)
}

// TestARestoredLedgerRepeatsNothing puts an older copy of the file back, behind the back of the devices: what they saw since is of a
// history that is no more, and no cursor, ETag or base of it may pass for one of the new history.
func TestARestoredLedgerRepeatsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	st, s := openFile(t, file)
	kept, lost := syncID(1), syncID(2)
	s.must(201, "POST", "/v1/expenses", `{"id":"`+kept+`","amount":"5"}`)
	_, old := s.pull("", 1000)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	backup, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	st, s = openFile(t, file)
	s.push(mutate("m1", "expense", "patch", kept, `,"base_version":2,"data":{"amount":"6"}`))
	s.must(201, "POST", "/v1/expenses", `{"id":"`+lost+`","amount":"7"}`)
	s.must(200, "PATCH", "/v1/expenses/"+lost, `{"amount":"8"}`)
	_, ahead := s.pull("", 1000)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(file + suffix)
	}
	if err := os.WriteFile(file, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	st, s = openFile(t, file)
	t.Cleanup(func() { _ = st.Close() })
	refused := func(when, cursor string) {
		t.Helper()
		if got := s.do("GET", "/v1/sync?cursor="+cursor, ""); got.Code != 410 || got.json["code"] != "cursor_expired" {
			t.Errorf("a pull with a cursor of %s: %d %v", when, got.Code, got.json["code"])
		}
		put := mutate("after", "expense", "put", syncID(9), `,"data":{"amount":"1"}`)
		if got := s.do("POST", "/v1/sync", `{"cursor":"`+cursor+`","mutations":[`+put+`]}`); got.Code != 410 {
			t.Errorf("a push with a cursor of %s: %d", when, got.Code)
		}
	}
	// Even if nobody has begun a new epoch: what is ahead of the server is found out, until the server has come so far itself.
	refused("the future", ahead)
	web := httptest.NewServer(s.handler)
	t.Cleanup(web.Close)
	if event := listen(t, web.URL, "anna", ahead).next(t); event == ahead {
		t.Error("a stream that begins ahead of the server brings the same cursor")
	}
	if err := st.StartEpoch(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
	state, err := st.Reader("anna").State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	restored := int(state.Version)
	refused("the history that was lost", ahead)
	refused("before the backup", old)
	_, fresh := s.pull("", 1000)
	s.must(200, "GET", "/v1/sync?cursor="+fresh, "")

	if got := s.do("PATCH", "/v1/expenses/"+kept, `{"amount":"9"}`, "If-Match", `"3"`); got.Code != 412 {
		t.Errorf("an ETag of the history that was lost: %d", got.Code)
	}
	for i, c := range []struct{ id, more, want string }{
		{kept, `,"base_version":3,"data":{"amount":"9"}`, "conflict conflict"},
		{kept, `,"base_mutation":"m1","data":{"amount":"9"}`, "conflict conflict"},
		{kept, `,"base_version":3,"data":{"notes":"mine"}`, "merged"},
		{lost, `,"base_version":4,"data":{"amount":"9"}`, "conflict gone"},
		{kept, fmt.Sprintf(`,"base_version":%d,"data":{"amount":"9"}`, restored+1), "applied"},
	} {
		if got := s.push(mutate(fmt.Sprint("r", i), "expense", "patch", c.id, c.more))[0]; status(got) != c.want {
			t.Errorf("a patch of %s with %s: %v, want %s", c.id, c.more, got, c.want)
		}
	}
	for _, change := range must(s.pull("", 1000)) {
		if change["id"] == kept && version(change) != restored+2 {
			t.Errorf("the row is at version %v, which the lost history may have had", change["version"])
		}
	}
}

// A site is a server over a file, of which older copies are put back.
type site struct {
	server

	file string
	st   *sqlite.Store
}

func newSite(t *testing.T) *site {
	t.Helper()
	w := &site{file: filepath.Join(t.TempDir(), "ledger.db")}
	w.st, w.server = openFile(t, w.file)
	t.Cleanup(func() { _ = w.st.Close() })
	return w
}

// backup returns the bytes of the file as it is.
func (w *site) backup(t *testing.T) []byte {
	t.Helper()
	err := w.st.Close()
	data, failure := os.ReadFile(w.file)
	if err := errors.Join(err, failure); err != nil {
		t.Fatal(err)
	}
	w.st, w.server = openFile(t, w.file)
	return data
}

// restore puts older bytes of the file back.
func (w *site) restore(t *testing.T, data []byte) {
	t.Helper()
	err := w.st.Close()
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(w.file + suffix)
	}
	if err := errors.Join(err, os.WriteFile(w.file, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	w.st, w.server = openFile(t, w.file)
	if err := w.st.StartEpoch(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
}

// TestNoMoneyIsBlendedAcrossARestore: what a device saw of a history that a restore took back says nothing about the row there is,
// however often that has changed since. Nobody sends a cursor here, so nothing but the versions can tell.
func TestNoMoneyIsBlendedAcrossARestore(t *testing.T) {
	w := newSite(t)
	id, calm := syncID(1), syncID(2)
	note := func(text string) { w.must(200, "PATCH", "/v1/expenses/"+id, `{"notes":"`+text+`"}`) }
	seen := func() int {
		t.Helper()
		return version(w.must(200, "GET", "/v1/expenses/"+id, "").json)
	}
	pushes := 0
	patch := func(id, more, want string) {
		t.Helper()
		pushes++
		if got := w.push(mutate(fmt.Sprint("p", pushes), "expense", "patch", id, more))[0]; status(got) != want {
			t.Errorf("a patch with %s: %v, want %s", more, got, want)
		}
	}
	based := func(base int, data string) string { return fmt.Sprintf(`,"base_version":%d,"data":%s`, base, data) }

	w.must(201, "POST", "/v1/expenses", `{"id":"`+id+`","amount":"5","currency":"EUR"}`)
	w.must(201, "POST", "/v1/expenses", `{"id":"`+calm+`","amount":"1","currency":"EUR"}`)
	genuine := seen()
	first := w.backup(t)
	w.must(200, "PATCH", "/v1/expenses/"+id, `{"amount":"600","currency":"JPY"}`)
	lost := seen() // the device has 600 yen from here on, and makes 700 yen of them
	w.restore(t, first)
	patch(id, based(lost, `{"amount":"700"}`), "conflict conflict")
	note("changed since")
	patch(id, based(lost, `{"amount":"700"}`), "conflict conflict")
	patch(id, based(lost, `{"notes":"mine"}`), "merged")
	patch(id, fmt.Sprintf(`,"base_mutation":"p%d","data":{"amount":"700"}`, pushes), "conflict conflict")
	patch(id, based(genuine, `{"amount":"6"}`), "merged")

	second := w.backup(t)
	ours := seen()
	w.must(200, "PATCH", "/v1/expenses/"+id, `{"amount":"800","currency":"JPY"}`)
	later := seen()
	w.restore(t, second)
	note("changed again")
	patch(id, based(lost, `{"amount":"700"}`), "conflict conflict")
	patch(id, based(later, `{"amount":"900"}`), "conflict conflict")
	patch(id, based(ours, `{"amount":"7"}`), "merged")
	patch(calm, based(genuine, `{"amount":"2"}`), "conflict conflict") // from before this row was there
	patch(calm, based(genuine+1, `{"amount":"2"}`), "applied")

	// The same backup once more: nothing of the first restore's history passes for one of the second's.
	w.restore(t, first)
	note("anew")
	w.must(200, "PATCH", "/v1/expenses/"+id, `{"amount":"8"}`)
	note("and anew")
	for _, base := range []int{lost, ours, later} {
		patch(id, based(base, `{"amount":"700"}`), "conflict conflict")
		if got := w.do("PATCH", "/v1/expenses/"+id, `{"amount":"9"}`, "If-Match", fmt.Sprintf(`"%d"`, base)); got.Code != 412 {
			t.Errorf("an ETag of a history that was lost: %d", got.Code)
		}
	}
	if got := w.must(200, "GET", "/v1/expenses/"+id, "").json; got["amount"] != "8.00" || got["currency"] != "EUR" {
		t.Errorf("in the end the expense is %v %v", got["amount"], got["currency"])
	}
}

func must(changes []map[string]any, _ string) []map[string]any { return changes }

// TestWhatPurgeKeepsForEverIsNoBurden: the tombstones of ids that are made from what they stand for outlive the 90 days. They neither
// raise the floor nor come with a first pull, and devices above the floor still hear of them.
func TestWhatPurgeKeepsForEverIsNoBurden(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		rule := uuid.MustParse(syncID(1))
		var derived []string
		for day := 1; day <= 2; day++ {
			date := expense.MustDate(fmt.Sprintf("2026-03-%02d", day))
			id := expense.OccurrenceID(rule, date).String()
			derived = append(derived, id)
			s.must(201, "POST", "/v1/expenses", fmt.Sprintf(`{"id":%q,"amount":"3","date":"%s","rule_id":"%s","occurrence":"%s"}`, id, date, rule, date))
		}
		s.must(201, "POST", "/v1/expenses", `{"id":"`+syncID(2)+`","amount":"5"}`)
		_, before := s.pull("", 1000)
		s.must(204, "DELETE", "/v1/expenses/"+derived[0], "")
		_, afterFirst := s.pull("", 1000)
		s.must(204, "DELETE", "/v1/expenses/"+syncID(2), "")
		_, atFloor := s.pull("", 1000)
		s.must(204, "DELETE", "/v1/expenses/"+derived[1], "")
		if err := st.Purge(t.Context(), noon, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		for name, cursor := range map[string]string{"before all deletions": before, "before the one that is forgotten": afterFirst} {
			if got := s.do("GET", "/v1/sync?cursor="+cursor, ""); got.Code != 410 {
				t.Errorf("a cursor of %s: %d", name, got.Code)
			}
		}
		news, _ := s.pull(atFloor, 1000)
		if len(news) != 1 || news[0]["id"] != derived[1] || news[0]["deleted"] != true {
			t.Errorf("from the floor on the feed has %v", news)
		}
		for _, limit := range []int{1, 1000} {
			for _, change := range must(s.pull("", limit)) {
				if change["deleted"] == true {
					t.Errorf("a first pull brings the tombstone %v", change)
				}
			}
		}
		for i, id := range derived {
			if got := s.push(mutate(fmt.Sprint("again", i), "expense", "put", id, fmt.Sprintf(
				`,"data":{"amount":"3","date":"2026-03-%02d","rule_id":"%s","occurrence":"2026-03-%02d"}`, i+1, rule, i+1)))[0]; status(got) != "conflict gone" {
				t.Errorf("an occurrence that was deleted comes again: %v", got)
			}
		}
	})
}
