package httpapi_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

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

// TestARestoredLedgerRepeatsNothing puts an older copy of the file back, behind the back of the devices: what they saw
// since is of a history that is no more, and no cursor, ETag or base of it may pass for one of the new history.
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
	// Even if nobody has begun a new epoch: what is ahead of the server is found out, until the server has come so far
	// itself.
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

func must(changes []map[string]any, _ string) []map[string]any { return changes }
