package jsonstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spendwise/spendwise/expense"
)

// readFile decodes a file.
func readFile(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return unavailable(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		//nolint:errorlint // not wrapped: a damaged file must not look like a caller's ErrInvalid.
		return fmt.Errorf("%s is damaged; restore it from a backup: %v", path, err)
	}
	return nil
}

// replaceFile replaces the content of a file. After a crash, the file has either the old content or the new. Once
// replaceFile returns nil, a crash does not lose the new content.
func replaceFile(path string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	temporary := path + ".tmp" // the next write overwrites a file that a crash has left
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return unavailable(err)
	}
	if _, err = file.Write(data); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return unavailable(err)
	}
	return syncFolder(path)
}

// removeFile removes a file if it exists.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unavailable(err)
	}
	return syncFolder(path)
}

// syncFolder writes the entries of the file's folder to the disk.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return unavailable(err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return unavailable(err)
	}
	return nil
}

// unavailable marks an error of the file system as ErrUnavailable, because it may be temporary.
func unavailable(err error) error { return fmt.Errorf("%w: %w", expense.ErrUnavailable, err) }
