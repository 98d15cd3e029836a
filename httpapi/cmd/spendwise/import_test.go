package main_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestImport_KilledServerImportsEachRowOnce kills a server during an import. Each Update of the import is in the
// database as a whole or not at all, and the repeated request adds the other rows.
func TestImport_KilledServerImportsEachRowOnce(t *testing.T) {
	const rows = 20_000
	dir := t.TempDir()
	database := "sqlite:" + filepath.Join(dir, "ledger.db")
	s := start(t, dir, "--database", database, "--rate-limits", "off")
	c := s.register("")
	var form strings.Builder
	form.WriteString("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"bank.csv\"\r\n\r\n" +
		"Date;Amount;Category;Description\n")
	for i := range rows {
		fmt.Fprintf(&form, "2026-%02d-%02d;-%d,50;Category %d;Card payment\n", i%12+1, i%28+1, i%50, i%40)
	}
	form.WriteString("\r\n--x--\r\n")
	send := func() (int, answer) {
		return c.do("POST", "/v1/imports", form.String(), "Content-Type", "multipart/form-data; boundary=x",
			"Idempotency-Key", "bank")
	}
	// stored returns how many rows the record of the import counts as added.
	stored := func() int {
		status, got := c.do("GET", "/v1/imports", "")
		imports, _ := got["data"].([]any)
		if status != http.StatusOK || len(imports) == 0 {
			return 0
		}
		record, _ := imports[0].(map[string]any)
		added, _ := record["added"].(float64)
		return int(added)
	}

	ended := make(chan int)
	go func() {
		status, _ := send()
		ended <- status
	}()
	for stored() < 3000 {
		time.Sleep(5 * time.Millisecond)
	}
	s.kill()
	if status := <-ended; status == http.StatusCreated {
		t.Log("the import ended before the server was killed")
	}
	s.start()
	c.url = s.url
	part := stored()
	if got := len(c.expenses(t)); got != part {
		t.Errorf("after the crash there are %d expenses, but the import counts %d", got, part)
	}
	if out, err := s.run("", "verify", "--database", database); err != nil {
		t.Errorf("verify: %v %s", err, out)
	}
	status, done := send()
	if status != http.StatusCreated || done["added"] != float64(rows) || done["known"] != 0.0 ||
		done["failed_rows"] != 0.0 {
		t.Errorf("the repeated request: %d %v", status, done)
	}
	if got := len(c.expenses(t)); got != rows {
		t.Errorf("after the repeated request there are %d expenses, want %d", got, rows)
	}
	wantTotalsEqualSums(t, c)
	t.Logf("the server was killed after %d of %d rows", part, rows)
}
