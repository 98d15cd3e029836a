package httpapi

import (
	"errors"
	"io/fs"
	"os"
)

// newTempFile creates a temporary file for data that a client sends or has not received yet. Where the operating system
// allows it, the file has no name any more, so that nothing remains if the process ends.
func newTempFile(purpose string) (*os.File, error) {
	file, err := os.CreateTemp("", "spendwise-"+purpose+"-*")
	if err == nil {
		_ = os.Remove(file.Name()) // Windows cannot remove an open file; removeTempFile does it there
	}
	return file, err
}

// removeTempFile closes the file, and removes it if it still has a name.
func removeTempFile(file *os.File) error {
	err := file.Close()
	if removed := os.Remove(file.Name()); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
