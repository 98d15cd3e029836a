package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestRenameToNew_NeverReplacesFile checks that renameToNew never replaces an existing file, with and without hard
// links.
func TestRenameToNew_NeverReplacesFile(t *testing.T) {
	unlinked := func(oldname, newname string) error {
		return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: syscall.EPERM} // as Linux returns on FAT
	}
	for kind, link := range map[string]func(string, string) error{"with links": os.Link, "without links": unlinked} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			file, other, to := filepath.Join(dir, "part"), filepath.Join(dir, "other"), filepath.Join(dir, "backup")
			write := func(path, text string) {
				t.Helper()
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want := func(text string) {
				t.Helper()
				if got, err := os.ReadFile(to); err != nil || string(got) != text {
					t.Errorf("the name stands for %q, %v, want %q", got, err, text)
				}
			}
			write(file, "whole")
			if err := renameToNew(file, to, link); err != nil {
				t.Fatal(err)
			}
			want("whole")
			write(other, "another")
			if err := renameToNew(other, to, link); !errors.Is(err, fs.ErrExist) {
				t.Errorf("a name that is taken: %v", err)
			}
			want("whole")
		})
	}
	if err := renameToNew(filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "backup"),
		unlinked); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
