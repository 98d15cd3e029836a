package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// npmPackage is one version of an npm package.
type npmPackage struct {
	name, version string
}

// files are the contents of the files of an npm package, by path.
type files map[string][]byte

// fetch downloads the package with npm and unpacks it into memory. It runs no code of the package.
func (p npmPackage) fetch(ctx context.Context) (_ files, err error) {
	dir, err := os.MkdirTemp("", "cldr-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	spec := p.name + "@" + p.version
	npm := exec.CommandContext(ctx, "npm", "pack", "--silent", "--pack-destination", dir, spec)
	npm.Stderr = os.Stderr
	if err := npm.Run(); err != nil {
		return nil, fmt.Errorf("npm pack %s: %w", spec, err)
	}
	archive, err := os.ReadFile(filepath.Join(dir, p.name+"-"+p.version+".tgz"))
	if err != nil {
		return nil, err
	}
	contents, err := unpack(archive)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec, err)
	}
	return contents, nil
}

func unpack(archive []byte) (files, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	contents := files{}
	for entries := tar.NewReader(unzipped); ; {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return contents, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(entries)
		if err != nil {
			return nil, err
		}
		contents[strings.TrimPrefix(entry.Name, "package/")] = text
	}
}
