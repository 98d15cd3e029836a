package httpapi

import (
	"errors"
	"io/fs"
	"os"
)

// newScratch opens a file for what a client sends or has not taken yet. Where the system lets an open file go, it has no name any more:
// then nothing of anybody's is left behind, however this process ends.
func newScratch(what string) (*os.File, error) {
	file, err := os.CreateTemp("", "spendwise-"+what+"-*")
	if err == nil {
		_ = os.Remove(file.Name()) // dropScratch does where this could not
	}
	return file, err
}

// dropScratch closes the file, and removes it if it is still there.
func dropScratch(file *os.File) error {
	err := file.Close()
	if removed := os.Remove(file.Name()); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
