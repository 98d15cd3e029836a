package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// codeBlock matches a fenced block of Markdown: its language and its text.
	codeBlock = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	// printed matches a comment that states a part of the output of the command above it.
	printed = regexp.MustCompile(`(?m)^# prints (.+)$`)
)

// blocksNotRun are the command blocks that TestReadme_CommandBlocksRun does not run, with the reason.
var blocksNotRun = map[string]string{
	"go run ./httpapi/cmd/spendwise\n": "the test starts this server before the blocks",
	"go test ./...\n":                  "it would run this test",
	"systemctl enable --now spendwise@auth spendwise@ticker spendwise@api-1 spendwise@api-2 nginx\n": "it " +
		"changes the machine",
	"go build -o /tmp/spendwise ./httpapi/cmd/spendwise\ngo run ./examples/deploy -spendwise /tmp/spendwise \\\n" +
		"  -database postgres://postgres@localhost/postgres   # prints URL and certificate\n": "it needs the " +
		"reader's database; TestDeployment_ServesOverTLS runs the program",
}

// readmes returns the text of each README by its path below the root of the repository.
func readmes(t *testing.T) map[string]string {
	t.Helper()
	root, texts := repositoryRoot(t), map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if entry.Name() == "README.md" {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			texts[filepath.ToSlash(name)] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestReadme_CommandBlocksRun pastes the command blocks of each README into a shell at the root of the repository, one
// after the other, beside a server that was started by the command of README.md. Every command must succeed, and the
// output of a block must contain the texts of its comments "# prints TEXT" in this order. The test changes nothing but
// the address of the server, because port 8080 can be in use. It needs its time because go run checks each program for
// changes before it starts.
func TestReadme_CommandBlocksRun(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skipf("install %s to run the commands of the READMEs: %v", tool, err)
		}
	}
	dataDir, root := t.TempDir(), repositoryRoot(t)
	removeOutput(t, root)
	script := new(strings.Builder)
	// set -m gives the server a process group of its own, so that kill also reaches the child of go run.
	fmt.Fprint(script, `set -m
go run ./httpapi/cmd/spendwise > "$XDG_DATA_HOME/server.out" 2> "$XDG_DATA_HOME/server.log" &
server=$!
trap 'status=$?; kill -- -$server; wait $server || true; exit $status' EXIT
until address=$(grep -m1 -oP '^listening on http://\K.*' "$XDG_DATA_HOME/server.out"); do
  kill -0 $server || { cat "$XDG_DATA_HOME/server.log" >&2; exit 1; }
  sleep 0.1
done
set -euo pipefail
`)
	texts := readmes(t)
	type block struct{ readme, text string }
	var blocks []block
	unused := maps.Clone(blocksNotRun)
	for _, readme := range slices.Sorted(maps.Keys(texts)) {
		for _, match := range codeBlock.FindAllStringSubmatch(texts[readme], -1) {
			if match[1] != "sh" {
				continue
			}
			if _, ok := blocksNotRun[match[2]]; ok {
				delete(unused, match[2])
				continue
			}
			fmt.Fprintf(script, "echo; echo '=== block %d'; echo '%s' >&2\n", len(blocks), readme)
			script.WriteString(strings.ReplaceAll(match[2], "127.0.0.1:8080", "$address"))
			blocks = append(blocks, block{readme, match[2]})
		}
	}
	for text := range unused {
		t.Errorf("no README has the block %q; remove it from blocksNotRun", text)
	}

	command := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	command.Dir = root
	command.Env = append(os.Environ(), "XDG_DATA_HOME="+dataDir, "SPENDWISE_LISTEN=127.0.0.1:0",
		"SPENDWISE_METRICS_LISTEN=off", "SPENDWISE_RATES=embedded")
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Errorf("%v\nstandard error:\n%s\nstandard output:\n%s", err, &stderr, &stdout)
	}
	for i, block := range blocks {
		_, output, _ := strings.Cut(stdout.String(), fmt.Sprintf("=== block %d\n", i))
		output, _, _ = strings.Cut(output, fmt.Sprintf("=== block %d\n", i+1))
		rest := output
		for _, match := range printed.FindAllStringSubmatch(block.text, -1) {
			_, after, ok := strings.Cut(rest, match[1])
			if !ok {
				t.Errorf("%s: the block\n%s\ndoes not print %q; it prints:\n%s", block.readme, block.text, match[1], output)
				break
			}
			rest = after
		}
	}
}

// removeOutput removes the files that the blocks write to the root of the repository, at the end of the test. It fails
// the test if one of them exists already.
func removeOutput(t *testing.T, root string) {
	t.Helper()
	for _, name := range []string{"ledger.ndjson", "report.pdf", "spendwise-backup.db"} {
		path := filepath.Join(root, name)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s exists, or %v; remove it: the commands of the READMEs write this file", path, err)
		}
		t.Cleanup(func() {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		})
	}
}

// TestReadme_GoBlocksAreCompiled checks that each Go block of a README is an excerpt of a Go file of the repository, so
// that the compiler and the tests check it.
func TestReadme_GoBlocksAreCompiled(t *testing.T) {
	var code strings.Builder
	for _, pkg := range listPackages(t) {
		for _, name := range slices.Concat(pkg.GoFiles, pkg.TestGoFiles, pkg.XTestGoFiles) {
			text, err := os.ReadFile(filepath.Join(pkg.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			code.WriteString(withoutIndent(string(text)))
		}
	}
	for readme, text := range readmes(t) {
		for _, match := range codeBlock.FindAllStringSubmatch(text, -1) {
			if match[1] == "go" && !strings.Contains(code.String(), withoutIndent(match[2])) {
				t.Errorf("%s: no Go file contains the block\n%s", readme, match[2])
			}
		}
	}
}

// withoutIndent returns text without the white space at the beginning and end of each line.
func withoutIndent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

// TestReadme_LinksExist checks that the files to which the Markdown of the READMEs links exist.
func TestReadme_LinksExist(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for readme, text := range readmes(t) {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(repositoryRoot(t), filepath.Dir(readme), match[1])); err != nil {
				t.Errorf("%s: %v", readme, err)
			}
		}
	}
}

// TestReadme_FitsOnePage checks the length of the main README.
func TestReadme_FitsOnePage(t *testing.T) {
	if lines := strings.Count(readmes(t)["README.md"], "\n"); lines > 150 {
		t.Errorf("README.md has %d lines; at most 150 are allowed. Move reference to the README of its package", lines)
	}
}
