package main_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/spendwise/spendwise"

// rooms says which rooms of the house each room may import, and which modules only it may. A room that is missing here
// may not exist; the design of the house is in CONTRIBUTING.md.
var rooms = map[string]struct {
	rooms   []string // of this module
	modules []string // beyond those that everybody may use
}{
	"expense":     {},
	"expense/ecb": {rooms: []string{"expense"}, modules: []string{"net/http"}},
	"budget":      {rooms: []string{"expense"}},
	"recurrence":  {rooms: []string{"expense"}},
	"report":      {rooms: []string{"expense", "budget"}},
	"export": {
		rooms:   []string{"expense", "budget", "recurrence", "report", "export/wire"},
		modules: []string{"github.com/johnfercher/maroto", "github.com/johnfercher/go-tree", "github.com/go-analyze/charts"},
	},
	"export/wire":      {rooms: []string{"expense", "budget", "recurrence", "report"}},
	"export/statement": {rooms: []string{"expense", "export/wire", "store"}},
	"export/backup":    {rooms: []string{"expense", "budget", "recurrence", "export/wire", "store"}},
	"store":            {rooms: []string{"expense", "budget", "recurrence", "report"}},
	"store/memstore":   {rooms: []string{"store", "expense", "budget", "recurrence", "report"}},
	"store/storetest": {
		rooms:   []string{"store", "expense", "budget", "recurrence", "report"},
		modules: []string{"testing"},
	},
	"store/internal/sqlstore": {
		rooms:   []string{"store", "expense", "budget", "recurrence", "report"},
		modules: append([]string{"database/sql", "github.com/uptrace/bun"}, tracing...),
	},
	"store/sqlite": {
		rooms:   []string{"store", "store/internal/sqlstore", "expense"},
		modules: []string{"database/sql", "github.com/uptrace/bun", "modernc.org/sqlite"},
	},
	"store/postgres": {
		rooms:   []string{"store", "store/internal/sqlstore", "expense"},
		modules: []string{"database/sql", "github.com/uptrace/bun", "github.com/jackc/pgx"},
	},
	"store/postgres/pgtest": {
		rooms:   []string{"store/postgres", "store/postgres/pgtest/pglocal"},
		modules: []string{"testing", "database/sql", "github.com/jackc/pgx", "github.com/ory/dockertest", "os.Getenv"},
	},
	"store/postgres/pgtest/pglocal": {modules: []string{"github.com/jackc/pgx"}},
	"httpapi": {
		rooms: []string{"httpapi/auth", "expense", "budget", "recurrence", "report", "export", "export/wire", "export/statement", "export/backup", "store"},
		modules: append([]string{
			"net/http", "github.com/gin-gonic/gin", "github.com/go-playground/validator", "github.com/go-json-experiment/json",
			"golang.org/x/time", "github.com/hashicorp/golang-lru",
		}, tracing...),
	},
	"httpapi/auth": {
		rooms: []string{"expense", "store"},
		modules: []string{
			"net/http", "github.com/golang-jwt/jwt", "github.com/coreos/go-oidc", "github.com/go-jose/go-jose", "golang.org/x/crypto", "golang.org/x/sync",
		},
	},
	"httpapi/client": {rooms: []string{"expense", "budget", "recurrence", "report", "export/wire"}, modules: []string{"net/http"}},
	"httpapi/client/sqlitestorage": {
		rooms: []string{"httpapi/client", "expense"}, modules: []string{"database/sql", "modernc.org/sqlite"},
	},
	"httpapi/client/storagetest": {rooms: []string{"httpapi/client", "expense"}},
}

// tracing is OpenTelemetry's API, without its globals, its SDK and its exporters: those are the host's.
var tracing = []string{
	"go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes", "go.opentelemetry.io/otel/propagation", "go.opentelemetry.io/otel/trace",
}

// everybody are the modules that any room may use beside the standard library.
var everybody = []string{"github.com/shopspring/decimal", "github.com/google/uuid", "golang.org/x/text"}

// reserved are parts of the standard library that only the rooms which name them may use.
var reserved = []string{"net/http", "database/sql", "testing", "log"}

type goPackage struct {
	ImportPath  string
	Dir         string
	Imports     []string
	Deps        []string
	TestImports []string
	GoFiles     []string
}

// TestTheHouse holds every package to the rooms, and to the arrows between them that only point down.
func TestTheHouse(t *testing.T) {
	for _, pkg := range list(t) {
		room := strings.TrimPrefix(pkg.ImportPath, module+"/")
		if room == "httpapi/cmd/spendwise" || strings.HasPrefix(room, "examples/") || strings.Contains(room, "/internal/") && room != "store/internal/sqlstore" {
			continue // the command and the examples use everything; an internal package belongs to its room
		}
		allowed, ok := rooms[room]
		if !ok {
			t.Errorf("%s is no room of the house", room)
			continue
		}
		for _, imported := range pkg.Imports {
			if reason := forbidden(room, imported, allowed.rooms, allowed.modules); reason != "" {
				t.Errorf("%s imports %s: %s", room, imported, reason)
			}
		}
	}
}

func forbidden(room, imported string, allowedRooms, allowedModules []string) string {
	within := func(prefixes []string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return imported == p || strings.HasPrefix(imported, p+"/") })
	}
	if inner, ours := strings.CutPrefix(imported, module+"/"); ours {
		if slices.Contains(allowedRooms, inner) || strings.HasPrefix(inner, room+"/internal/") {
			return ""
		}
		return "the arrow points the wrong way"
	}
	if within(allowedModules) || within(everybody) {
		return ""
	}
	if strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
		return "this module belongs to another room"
	}
	if slices.Contains(reserved, imported) {
		return "this part of the standard library belongs to another room"
	}
	return ""
}

// TestEnginesAndHTTPStayOutOfTheDomain follows every import to its end: what a host links in when it takes one room. The client
// is no server either: who imports it gets no engine and no store.
func TestEnginesAndHTTPStayOutOfTheDomain(t *testing.T) {
	heavy := []string{
		"github.com/uptrace/bun", "modernc.org/sqlite", "github.com/jackc/pgx", "github.com/gin-gonic/gin",
		"github.com/go-playground/validator", "database/sql", "github.com/ory/dockertest",
	}
	for _, pkg := range list(t) {
		room := strings.TrimPrefix(pkg.ImportPath, module+"/")
		if !slices.Contains([]string{"expense", "budget", "recurrence", "report", "export", "store", "httpapi/client"}, room) {
			continue
		}
		for _, dep := range pkg.Deps {
			if room == "httpapi/client" && strings.HasPrefix(dep, module+"/store") {
				t.Errorf("%s depends on %s", room, dep)
			}
			for _, module := range heavy {
				// The interfaces of database/sql/driver alone bring no database; uuid and decimal implement them.
				if dep == module || strings.HasPrefix(dep, module+"/") && dep != "database/sql/driver" {
					t.Errorf("%s depends on %s", room, dep)
				}
			}
		}
	}
}

// TestTheTopLevel holds the top level to the folders that the house has, and no other.
func TestTheTopLevel(t *testing.T) {
	top := []string{
		"expense", "budget", "recurrence", "report", "export", "store", "httpapi", "examples",
		"go.mod", "go.sum", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md",
	}
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") && !slices.Contains(top, entry.Name()) {
			t.Errorf("%s does not belong on the top level", entry.Name())
		}
	}
}

// TestNoGlobalState holds the library to what its host owns: the environment, the process-wide logger and init.
func TestNoGlobalState(t *testing.T) {
	banned := map[string]string{
		"os.Getenv(":                  "configuration is passed in",
		"os.LookupEnv(":               "configuration is passed in",
		"func init()":                 "importing a package has no effect",
		"gin.SetMode(":                "gin's mode is the host's",
		"slog.SetDefault(":            "the default logger is the host's",
		"decimal.DivisionPrecision =": "decimal's precision is the host's",
		"binding.Validator =":         "gin's validator is the host's",
	}
	for _, pkg := range list(t) {
		room := strings.TrimPrefix(pkg.ImportPath, module+"/")
		if strings.Contains(room, "/cmd/") || strings.HasPrefix(room, "examples/") || strings.HasPrefix(room, "expense/internal/") {
			continue
		}
		for _, name := range pkg.GoFiles {
			source, err := os.ReadFile(filepath.Join(pkg.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range slices.Sorted(maps.Keys(banned)) {
				if strings.HasPrefix(text, "os.") && slices.Contains(rooms[room].modules, "os.Getenv") {
					continue
				}
				if strings.Contains(string(source), text) {
					t.Errorf("%s/%s: %s: %s", room, name, text, banned[text])
				}
			}
		}
	}
}

func list(t *testing.T) []goPackage {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Imports,Deps,GoFiles", "./...")
	command.Dir = root(t)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg goPackage
		err := decoder.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, pkg)
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
