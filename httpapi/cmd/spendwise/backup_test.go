package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

func mustID(t *testing.T, text string) uuid.UUID {
	t.Helper()
	id, err := uuid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestBackup_DuringWrites checks that a backup during writes is a consistent snapshot, can be verified, and
// restores to a server that makes every device sync from the start.
func TestBackup_DuringWrites(t *testing.T) {
	dir := t.TempDir()
	database := "sqlite:" + filepath.Join(dir, "ledger.db")
	s := start(t, dir, "--database", database)
	c := s.register("")
	stop := make(chan struct{})
	var writers sync.WaitGroup
	var mu sync.Mutex
	answered := 0
	for range 4 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if status, body := c.raw("POST", "/v1/expenses",
					`{"amount":"1.00","date":"2026-03-02"}`); status != http.StatusCreated {
					t.Errorf("a write during the backup: %d %s", status, body)
				}
				mu.Lock()
				answered++
				mu.Unlock()
			}
		})
	}
	for { // wait for some rows before the backup begins
		mu.Lock()
		n := answered
		mu.Unlock()
		if n > 50 {
			break
		}
	}
	file := filepath.Join(dir, "backup.db")
	out := command(t, dir, "--database", database, "backup", file)
	if !strings.Contains(out, "verified 1 ledgers: 0 deviations") || !strings.HasSuffix(out, "backup: "+file+"\n") {
		t.Errorf("backup: %q", out)
	}
	mu.Lock()
	after := answered
	mu.Unlock()
	close(stop)
	writers.Wait()
	cursor := c.must(t, http.StatusOK, "GET", "/v1/sync?limit=1000", "").text("cursor")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the backup: %v", err)
	}
	if failed := refused(t, dir, "--database", database, "backup", file); !strings.Contains(failed, "exists already") {
		t.Errorf("a backup onto a backup: %s", failed)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	if failed := refused(t, dir, "--database", database, "restore", file); !strings.Contains(failed,
		"move the old database") {
		t.Errorf("a restore onto a database: %s", failed)
	}
	restored := "sqlite:" + filepath.Join(dir, "restored.db")
	out = command(t, dir, "--database", restored, "restore", file)
	if !strings.Contains(out, "new epoch: 1 ledgers\n") || !strings.Contains(out, "0 deviations") {
		t.Errorf("restore: %q", out)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".spendwise-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	s = start(t, dir, "--database", restored)
	c.url = s.url
	if n := len(c.expenses(t)); n <= 50 || n > after+4 {
		t.Errorf("the backup holds %d expenses; more than 50 were there before it and at most %d when it was done", n,
			after+4)
	}
	c.must(t, http.StatusGone, "GET", "/v1/sync?cursor="+cursor, "")
	version := c.must(t, http.StatusOK, "GET", "/v1/expenses?limit=1", "")
	if n, err := strconv.Atoi(answer(version["data"].([]any)[0].(map[string]any)).text("version")); err != nil || n < 1 {
		t.Errorf("the version of an expense: %d, %v", n, err)
	}
}

func TestRestore_RejectsDamagedBackup(t *testing.T) {
	dir := t.TempDir()
	database := "sqlite:" + filepath.Join(dir, "ledger.db")
	seedLedger(t, database, dir)
	file := filepath.Join(dir, "backup.db")
	command(t, dir, "--database", database, "backup", file)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, bytes := range map[string][]byte{
		"cut":       whole[:len(whole)/2],
		"scribbled": append(append(append([]byte{}, whole[:20000]...), make([]byte, 8192)...), whole[28192:]...),
		"no backup": []byte(`{"format":"spendwise"}` + strings.Repeat(" ", 4096)),
	} {
		t.Run(name, func(t *testing.T) {
			damaged, target := filepath.Join(dir, name), filepath.Join(dir, name+".db")
			if err := os.WriteFile(damaged, bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			if failed := refused(t, dir, "--database", "sqlite:"+target, "restore", damaged); !strings.Contains(failed,
				"restore "+damaged) {
				t.Errorf("it says %s", failed)
			}
			if _, err := os.Stat(target); err == nil {
				t.Error("a database is there")
			}
		})
	}
	out := refused(t, dir, "--database", "sqlite:"+filepath.Join(dir, "nowhere.db"), "backup", filepath.Join(dir, "x.db"))
	if !strings.Contains(out, "there is no database") {
		t.Errorf("a backup of nothing: %s", out)
	}
}
