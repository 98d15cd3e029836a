package httpapi_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/spendwise/spendwise/store/sqlite"
)

// openFile opens and migrates an SQLite file. It returns the store and an API over it.
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

// TestSync_RestoredLedgerRepeatsNoVersion replaces the database file with an older copy. The versions that devices saw
// after the backup then belong to a discarded history. No cursor, ETag or base version of that history may be valid in
// the new one.
func TestSync_RestoredLedgerRepeatsNoVersion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	st, s := openFile(t, file)
	retained, discarded := syncID(1), syncID(2)
	s.must(201, "POST", "/v1/expenses", `{"id":"`+retained+`","amount":"5"}`)
	_, beforeBackup := s.pull("", 1000)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	backup, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	st, s = openFile(t, file)
	s.push(mutate("m1", "expense", "patch", retained, `,"base_version":2,"data":{"amount":"6"}`))
	s.must(201, "POST", "/v1/expenses", `{"id":"`+discarded+`","amount":"7"}`)
	s.must(200, "PATCH", "/v1/expenses/"+discarded, `{"amount":"8"}`)
	_, afterBackup := s.pull("", 1000)
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
	expectExpired := func(when, cursor string) {
		t.Helper()
		if got := s.do("GET", "/v1/sync?cursor="+cursor, ""); got.Code != 410 || got.json["code"] != "cursor_expired" {
			t.Errorf("a pull with a cursor %s: %d %v, want 410 cursor_expired", when, got.Code, got.json["code"])
		}
		put := mutate("after", "expense", "put", syncID(9), `,"data":{"amount":"1"}`)
		if got := s.do("POST", "/v1/sync", `{"cursor":"`+cursor+`","mutations":[`+put+`]}`); got.Code != 410 {
			t.Errorf("a push with a cursor %s: %d, want 410", when, got.Code)
		}
	}
	// Without a new epoch, the server can still reject a cursor as long as it is ahead of the version of the ledger.
	expectExpired("ahead of the server", afterBackup)
	web := httptest.NewServer(s.handler)
	t.Cleanup(web.Close)
	if event := listen(t, web.URL, "anna", afterBackup).next(t); event == afterBackup {
		t.Error("a stream that starts ahead of the server gets the same cursor")
	}
	if err := st.StartEpoch(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
	state, err := st.Reader("anna").State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	restored := int(state.Version)
	expectExpired("of the discarded history", afterBackup)
	expectExpired("of the time before the backup", beforeBackup)
	_, fresh := s.pull("", 1000)
	s.must(200, "GET", "/v1/sync?cursor="+fresh, "")

	if got := s.do("PATCH", "/v1/expenses/"+retained, `{"amount":"9"}`, "If-Match", `"3"`); got.Code != 412 {
		t.Errorf("a PATCH with an ETag of the discarded history: %d, want 412", got.Code)
	}
	for i, c := range []struct{ id, more, want string }{
		{retained, `,"base_version":3,"data":{"amount":"9"}`, "conflict conflict"},
		{retained, `,"base_mutation":"m1","data":{"amount":"9"}`, "conflict conflict"},
		{retained, `,"base_version":3,"data":{"notes":"mine"}`, "merged"},
		{discarded, `,"base_version":4,"data":{"amount":"9"}`, "conflict gone"},
		{retained, fmt.Sprintf(`,"base_version":%d,"data":{"amount":"9"}`, restored+1), "applied"},
	} {
		if got := s.push(mutate(fmt.Sprint("r", i), "expense", "patch", c.id, c.more))[0]; status(got) != c.want {
			t.Errorf("a patch of %s with %s: %v, want %s", c.id, c.more, got, c.want)
		}
	}
	changes, _ := s.pull("", 1000)
	for _, change := range changes {
		if change["id"] == retained && version(change) != restored+2 {
			t.Errorf("the row has version %v, want %d: the discarded history may have used the other versions",
				change["version"], restored+2)
		}
	}
}
