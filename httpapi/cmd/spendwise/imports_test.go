package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var updateDocs = flag.Bool("update", false, "rewrite the generated tables in CONTRIBUTING.md")

const modulePath = "github.com/spendwise/spendwise"

// A packageRule says what one package of the module is for and what it may import. Everything that is not listed here
// or in standardModules is forbidden, except the unrestricted part of the standard library.
type packageRule struct {
	path    string // below the module's path
	purpose string // for the table in CONTRIBUTING.md
	// imports are the packages of this module. A package may also import its own internal packages.
	imports []string
	// uses are third-party modules (a prefix of the import path), packages of restrictedStandard and functions of
	// restrictedNames.
	uses []string
	// neverLinks are packages of this module that must not be linked in, not even through other packages.
	neverLinks []string
	// unrestricted packages may import and call everything.
	unrestricted bool
}

// packages declares every package of the module with its import rules. It is the only declaration: the table in
// CONTRIBUTING.md is generated from it by
//
//	go test ./httpapi/cmd/spendwise -run TestContributing -update
var packages = []packageRule{
	{path: "expense", purpose: "money, dates, categories, expenses, rates, settings; use cases; shared errors"},
	{
		path: "expense/ecb", purpose: "reference rates of the European Central Bank",
		imports: []string{"expense"}, uses: []string{"net/http"},
	},
	{
		path: "expense/locale", purpose: "amounts, dates and phrases as a locale writes them",
		imports: []string{"expense"},
	},
	{path: "expense/internal/cldr", purpose: "generates the locale data"},
	{
		path: "budget", purpose: "monthly limits, progress, rollover, alerts",
		imports: []string{"expense", "expense/locale", "recurrence"},
	},
	{path: "recurrence", purpose: "recurring rules and their occurrences", imports: []string{"expense"}},
	{
		path: "report", purpose: "summaries, breakdowns, trends, comparisons",
		imports: []string{"expense", "expense/locale", "budget", "recurrence"},
	},
	{
		path: "export", purpose: "writes CSV, NDJSON, PDF and SVG charts",
		imports: domainAnd("export/wire"),
		uses: []string{
			"github.com/johnfercher/maroto", "github.com/johnfercher/go-tree", "github.com/go-analyze/charts",
		},
	},
	{path: "export/wire", purpose: "JSON forms and CSV columns of ledger resources", imports: domainAnd()},
	{
		path: "export/statement", purpose: "imports files of banks and other programs",
		imports: domainAnd("export/wire", "store", "export/statement/internal/format"),
		uses:    []string{"github.com/xuri/excelize"},
	},
	{
		path: "export/statement/internal/format", purpose: "splits CSV, OFX, QIF, MT940 and CAMT into records",
		imports: []string{"expense"},
	},
	{
		path: "export/backup", purpose: "writes and restores a whole ledger as NDJSON",
		imports: domainAnd("export/wire", "store"),
	},
	{path: "export/internal/exporttest", purpose: "test fixtures of export", imports: domainAnd()},
	{path: "store", purpose: "the Store interface and its guarantees; no SQL", imports: domainAnd()},
	{path: "store/accounts", purpose: "the interface of local accounts", imports: []string{"expense"}},
	{
		path: "store/accounts/accountstest", purpose: "conformance suite of local accounts",
		imports: domainAnd("store", "store/accounts"), uses: []string{"testing"},
	},
	{
		path: "store/jobs", purpose: "work across ledgers: post, convert, alert, verify",
		imports: domainAnd("store", "store/accounts"),
	},
	{
		path: "store/replica", purpose: "the sync protocol without HTTP",
		imports: domainAnd("store", "store/jobs"),
	},
	{
		path: "store/ledgertest", purpose: "creates ledgers for tests", imports: domainAnd("store"),
	},
	{
		path: "store/storetest", purpose: "conformance suite of stores",
		imports: domainAnd("store", "store/accounts"), uses: []string{"testing"},
	},
	{
		path: "store/memstore", purpose: "reference implementation, in memory",
		imports: domainAnd("store", "store/accounts"),
	},
	{
		path: "store/internal/sqldb", purpose: "runs SQL statements: dialects, transactions, traces, migrations",
		imports: []string{"expense"},
		uses:    append([]string{"database/sql", "github.com/uptrace/bun"}, tracingModules...),
	},
	{
		path: "store/internal/sqlstore", purpose: "ledgers in SQL",
		imports: domainAnd("store", "store/internal/sqldb"),
		uses:    []string{"database/sql", "github.com/uptrace/bun"},
	},
	{
		path: "store/internal/sqlaccounts", purpose: "local accounts in SQL",
		imports: []string{"expense", "store/accounts", "store/internal/sqldb"},
		uses:    []string{"database/sql", "github.com/uptrace/bun"},
	},
	{
		path: "store/sqlite", purpose: "the SQLite store: open, dialect, errors",
		imports: []string{
			"expense", "store", "store/accounts",
			"store/internal/sqldb", "store/internal/sqlstore", "store/internal/sqlaccounts",
		},
		uses: []string{"database/sql", "github.com/uptrace/bun/dialect", "modernc.org/sqlite"},
	},
	{
		path: "store/postgres", purpose: "the PostgreSQL store: open, dialect, errors",
		imports: []string{
			"expense", "store", "store/accounts",
			"store/internal/sqldb", "store/internal/sqlstore", "store/internal/sqlaccounts",
		},
		uses: []string{"database/sql", "github.com/uptrace/bun/dialect", "github.com/jackc/pgx"},
	},
	{
		path: "store/postgres/pgtest", purpose: "starts a PostgreSQL server for tests",
		imports: []string{"store/postgres", "store/postgres/pgtest/pglocal"},
		uses:    []string{"testing", "os.Getenv", "github.com/jackc/pgx", "github.com/ory/dockertest"},
	},
	{
		path: "store/postgres/pgtest/pglocal", purpose: "starts the PostgreSQL binaries of the machine",
		uses: []string{"github.com/jackc/pgx"},
	},
	{
		path: "httpapi", purpose: "the HTTP API on gin: routes, handlers",
		imports: domainAnd("export", "export/wire", "export/statement", "export/backup",
			"store", "store/replica", "store/jobs", "httpapi/auth", "httpapi/internal/docs", "httpapi/internal/spool",
			"httpapi/internal/ingress", "httpapi/internal/jsonbody", "httpapi/internal/problem"),
		uses: append([]string{
			"net/http", "github.com/gin-gonic/gin", "github.com/go-json-experiment/json", "github.com/goccy/go-yaml",
		}, tracingModules...),
	},
	{
		path: "httpapi/internal/ingress", purpose: "rate limits, trusted proxies, CORS, deadlines",
		imports: []string{"expense"},
		uses:    []string{"net/http", "golang.org/x/time", "github.com/hashicorp/golang-lru"},
	},
	{
		path: "httpapi/internal/problem", purpose: "maps errors to problem details",
		imports: []string{"expense", "recurrence", "store/replica", "httpapi/auth", "httpapi/internal/ingress"},
		uses:    []string{"net/http"},
	},
	{
		path: "httpapi/internal/jsonbody", purpose: "decodes JSON bodies and lists all their errors",
		imports: []string{"expense", "recurrence", "export/wire", "httpapi/internal/problem"},
		uses:    []string{"github.com/go-json-experiment/json", "github.com/go-playground/validator"},
	},
	{
		path: "httpapi/internal/contracttest", purpose: "checks responses against the contract, for tests",
		uses: []string{"net/http", "github.com/pb33f/libopenapi", "github.com/pb33f/libopenapi-validator"},
	},
	{
		path: "httpapi/internal/spool", purpose: "buffers exports for slow clients",
	},
	{
		path: "httpapi/internal/docs", purpose: "renders the OpenAPI document as a page",
		uses: []string{"net/http", "github.com/go-json-experiment/json"},
	},
	{
		path: "httpapi/auth", purpose: "accounts, passwords, tokens, keys, devices",
		imports: []string{"expense", "store/accounts"},
		uses: []string{
			"net/http", "github.com/golang-jwt/jwt", "github.com/coreos/go-oidc", "github.com/go-jose/go-jose",
			"golang.org/x/crypto", "golang.org/x/sync",
		},
	},
	{
		path: "httpapi/client", purpose: "the Go client, with a copy of the ledger and an offline queue",
		imports: domainAnd("export/wire"), uses: []string{"net/http"}, neverLinks: []string{"store"},
	},
	{
		path: "httpapi/client/sqlitestorage", purpose: "keeps the client's copy and queue in SQLite",
		imports: []string{"expense", "httpapi/client"}, uses: []string{"database/sql", "modernc.org/sqlite"},
		neverLinks: []string{"store"},
	},
	{
		path: "httpapi/client/storagetest", purpose: "conformance suite of the client's storage",
		imports: []string{"expense", "httpapi/client"}, neverLinks: []string{"store"},
	},
	{path: "httpapi/cmd/spendwise", purpose: "the bundled server and its commands", unrestricted: true},
	{path: "examples", purpose: "one program per way of use", unrestricted: true},
}

// domainPackages hold the business rules. CONTRIBUTING.md calls them "the domain".
var domainPackages = []string{"expense", "expense/locale", "budget", "recurrence", "report"}

func domainAnd(others ...string) []string { return slices.Concat(domainPackages, others) }

// tracingModules are OpenTelemetry's API without its globals, SDK and exporters, which belong to the host.
var tracingModules = []string{
	"go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes", "go.opentelemetry.io/otel/propagation",
	"go.opentelemetry.io/otel/trace",
}

// standardModules are the third-party modules that every package may import.
var standardModules = []string{"github.com/shopspring/decimal", "github.com/google/uuid", "golang.org/x/text"}

// restrictedStandard are the standard library's packages that a packageRule must allow.
var restrictedStandard = []string{"net/http", "database/sql", "testing", "log"}

// engineModules are large or specific to one host. A package links them, directly or not, only if its rule or the rule
// of a package it may import allows them.
var engineModules = []string{
	"github.com/uptrace/bun", "modernc.org/sqlite", "github.com/jackc/pgx", "github.com/gin-gonic/gin",
	"github.com/go-playground/validator", "database/sql", "github.com/ory/dockertest",
}

// linkedBy says which of engineModules another module links.
var linkedBy = map[string]string{
	"github.com/jackc/pgx": "database/sql", "github.com/uptrace/bun/dialect": "github.com/uptrace/bun",
}

// restrictedNames are functions and variables that belong to the host's process, by import path and name.
var restrictedNames = []struct{ path, name, reason string }{
	{"os", "Getenv", "pass configuration in"},
	{"os", "LookupEnv", "pass configuration in"},
	{"os", "Environ", "pass configuration in"},
	{"log/slog", "Default", "log with the logger that was passed in; the default logger belongs to the host"},
	{"log/slog", "SetDefault", "the default logger belongs to the host"},
	{"github.com/gin-gonic/gin", "SetMode", "gin's mode belongs to the host"},
	{"github.com/gin-gonic/gin/binding", "Validator", "gin's validator belongs to the host"},
	{"github.com/shopspring/decimal", "DivisionPrecision", "decimal's precision belongs to the host; use DivRound"},
}

// TestPackages_DirectImports checks the direct imports of every package against its packageRule.
func TestPackages_DirectImports(t *testing.T) {
	existing := map[string]bool{}
	for _, pkg := range listPackages(t) {
		existing[pkg.path()] = true
		rule, ok := ruleOf(pkg.path())
		if !ok {
			t.Errorf("package %s has no import rule; add it to packages in imports_test.go", pkg.path())
			continue
		}
		for _, imported := range pkg.Imports {
			if reason := rule.forbids(imported); reason != "" {
				t.Errorf("%s imports %s: %s", pkg.path(), imported, reason)
			}
		}
	}
	for _, rule := range packages {
		if rule.path != "examples" && !existing[rule.path] {
			t.Errorf("package %s has an import rule but does not exist; delete the rule", rule.path)
		}
	}
}

// ruleOf returns the rule of the package at path.
func ruleOf(path string) (packageRule, bool) {
	if strings.HasPrefix(path, "examples/") {
		path = "examples"
	}
	i := slices.IndexFunc(packages, func(rule packageRule) bool { return rule.path == path })
	if i < 0 {
		return packageRule{}, false
	}
	return packages[i], true
}

// forbids returns the reason why the package must not import a path, or "".
func (rule packageRule) forbids(imported string) string {
	if rule.unrestricted {
		return ""
	}
	if inner, ours := strings.CutPrefix(imported, modulePath+"/"); ours {
		if slices.Contains(rule.imports, inner) || strings.HasPrefix(inner, rule.path+"/internal/") {
			return ""
		}
		return "its import rule does not list this package"
	}
	if hasPrefixPath(imported, rule.uses) || hasPrefixPath(imported, standardModules) {
		return ""
	}
	if host, _, _ := strings.Cut(imported, "/"); strings.Contains(host, ".") {
		return "its import rule does not list this module"
	}
	if slices.Contains(restrictedStandard, imported) {
		return "its import rule does not list this part of the standard library"
	}
	return ""
}

// hasPrefixPath reports whether path is one of prefixes or lies below one.
func hasPrefixPath(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}

// TestPackages_LinkedImports follows imports to their end: it checks what a host links in when it imports one
// package. A host that imports a domain package, a store or the client gets no database driver or web framework that
// the package does not need.
func TestPackages_LinkedImports(t *testing.T) {
	for _, pkg := range listPackages(t) {
		rule, ok := ruleOf(pkg.path())
		if !ok || rule.unrestricted {
			continue
		}
		allowed := rule.linkable(map[string]bool{})
		for _, dep := range pkg.Deps {
			// Decimal and uuid import the interfaces of database/sql/driver, which bring no database.
			if dep != "database/sql/driver" && hasPrefixPath(dep, engineModules) && !hasPrefixPath(dep, allowed) {
				t.Errorf("%s links %s", pkg.path(), dep)
			}
			if inner, ours := strings.CutPrefix(dep, modulePath+"/"); ours && hasPrefixPath(inner, rule.neverLinks) {
				t.Errorf("%s links %s", pkg.path(), inner)
			}
		}
	}
}

// linkable returns what the package and the packages it may import are allowed to use.
func (rule packageRule) linkable(seen map[string]bool) []string {
	if seen[rule.path] {
		return nil
	}
	seen[rule.path] = true
	allowed := slices.Clone(rule.uses)
	for _, use := range rule.uses {
		if engine, ok := linkedBy[use]; ok {
			allowed = append(allowed, engine)
		}
	}
	for _, path := range rule.imports {
		if imported, ok := ruleOf(path); ok {
			allowed = append(allowed, imported.linkable(seen)...)
		}
	}
	return allowed
}

// TestRepository_TopLevel checks that the repository's top level holds no other files and folders.
func TestRepository_TopLevel(t *testing.T) {
	top := []string{
		"expense", "budget", "recurrence", "report", "export", "store", "httpapi", "examples",
		"go.mod", "go.sum", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md",
	}
	entries, err := os.ReadDir(repositoryRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") && !slices.Contains(top, entry.Name()) {
			t.Errorf("%s does not belong on the top level", entry.Name())
		}
	}
}

// TestPackages_NoGlobalState checks that no package has an init function, tests included, and that the library neither
// reads nor sets what belongs to the host's process.
func TestPackages_NoGlobalState(t *testing.T) {
	for _, pkg := range listPackages(t) {
		rule, _ := ruleOf(pkg.path())
		for _, name := range slices.Concat(pkg.GoFiles, pkg.TestGoFiles, pkg.XTestGoFiles) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, declaration := range file.Decls {
				if fn, ok := declaration.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s/%s: func init: importing a package must have no effect", pkg.path(), name)
				}
			}
			if rule.unrestricted || strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, used := range restrictedUses(file) {
				if !slices.Contains(rule.uses, "os.Getenv") || !strings.HasPrefix(used, "os.") {
					t.Errorf("%s/%s: %s", pkg.path(), name, used)
				}
			}
		}
	}
}

// restrictedUses returns the restrictedNames that a file mentions, with the reasons.
func restrictedUses(file *ast.File) []string {
	imports := map[string]string{} // by the name that the file uses
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		name := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imports[name] = path
	}
	var uses []string
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		qualifier, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		for _, restricted := range restrictedNames {
			if imports[qualifier.Name] == restricted.path && selector.Sel.Name == restricted.name {
				uses = append(uses, fmt.Sprintf("%s.%s: %s", qualifier.Name, restricted.name, restricted.reason))
			}
		}
		return true
	})
	return uses
}

// TestContributing_ListsPackages compares the table of packages in CONTRIBUTING.md with packages.
func TestContributing_ListsPackages(t *testing.T) {
	compareSection(t, "packages: generated from imports_test.go", "end of packages", packageTable())
}

// TestContributing_ListsTestFlags compares the table of test flags in CONTRIBUTING.md with the flags that the tests
// define.
func TestContributing_ListsTestFlags(t *testing.T) {
	compareSection(t, "test flags: generated from the tests", "end of test flags", flagTable(t))
}

// compareSection compares the part of CONTRIBUTING.md between two comments with want. With -update it writes want
// there.
func compareSection(t *testing.T, begin, end, want string) {
	t.Helper()
	begin, end = "<!-- "+begin+" -->\n", "<!-- "+end+" -->\n"
	path := filepath.Join(repositoryRoot(t), "CONTRIBUTING.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	section, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("CONTRIBUTING.md lacks the lines %q and %q", begin, end)
	}
	if section == want {
		return
	}
	if !*updateDocs {
		t.Fatalf("the section %q of CONTRIBUTING.md is out of date; run this test with -update", begin)
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// flagTable renders the flags that tests define as a Markdown table.
func flagTable(t *testing.T) string {
	t.Helper()
	var table strings.Builder
	table.WriteString("| flag | package | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, pkg := range listPackages(t) {
		files := token.NewFileSet()
		for _, name := range slices.Concat(pkg.TestGoFiles, pkg.XTestGoFiles) {
			file, err := parser.ParseFile(files, filepath.Join(pkg.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(node ast.Node) bool {
				call, ok := node.(*ast.CallExpr)
				if !ok || len(call.Args) != 3 {
					return true
				}
				if from, ok := call.Fun.(*ast.SelectorExpr); !ok || fmt.Sprint(from.X) != "flag" {
					return true
				}
				var standard bytes.Buffer
				if err := format.Node(&standard, files, call.Args[1]); err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&table, "| `-%s` | `%s` | `%s` | %s |\n",
					literal(call.Args[0]), pkg.path(), strings.NewReplacer(`"`, "", "_", "").Replace(standard.String()),
					literal(call.Args[2]))
				return true
			})
		}
	}
	return table.String()
}

// literal returns the text of a string literal, or of a sum of string literals.
func literal(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(expr.Value)
		return text
	case *ast.BinaryExpr:
		return literal(expr.X) + literal(expr.Y)
	}
	return ""
}

// packageTable renders packages as a Markdown table.
func packageTable() string {
	var table strings.Builder
	table.WriteString("| package | purpose | may import | may use |\n| --- | --- | --- | --- |\n")
	for _, rule := range packages {
		imports := rule.imports
		var cells []string
		if !slices.ContainsFunc(domainPackages, func(path string) bool { return !slices.Contains(imports, path) }) {
			cells = append(cells, "the domain")
			imports = slices.DeleteFunc(slices.Clone(imports), func(path string) bool {
				return slices.Contains(domainPackages, path)
			})
		}
		for _, path := range imports {
			cells = append(cells, "`"+path+"`")
		}
		var uses []string
		for _, path := range rule.uses {
			if slices.Contains(tracingModules, path) {
				path = "go.opentelemetry.io/otel"
			}
			if name := strings.TrimPrefix(path, "github.com/"); !slices.Contains(uses, name) {
				uses = append(uses, name)
			}
		}
		if rule.unrestricted {
			cells, uses = []string{"everything"}, []string{"everything"}
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", rule.path, rule.purpose,
			orDash(strings.Join(cells, ", ")), orDash(strings.Join(uses, ", ")))
	}
	return table.String()
}

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// A listedPackage is what go list prints about a package.
type listedPackage struct {
	ImportPath, Dir                    string
	Imports, Deps                      []string
	GoFiles, TestGoFiles, XTestGoFiles []string
}

func (pkg listedPackage) path() string { return strings.TrimPrefix(pkg.ImportPath, modulePath+"/") }

// listPackages returns all packages of the module. It runs go list once.
func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	pkgs, err := goList()
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

var goList = sync.OnceValues(func() ([]listedPackage, error) {
	const fields = "-json=ImportPath,Dir,Imports,Deps,GoFiles,TestGoFiles,XTestGoFiles"
	command := exec.Command("go", "list", fields, modulePath+"/...")
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	var pkgs []listedPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg listedPackage
		err := decoder.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			return pkgs, nil
		}
		if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, pkg)
	}
})

func repositoryRoot(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
