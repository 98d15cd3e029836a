// Command spendwise is the bundled server of the expense ledger, and the commands of whoever runs it.
//
//	spendwise                                   # serve on an SQLite file, http://127.0.0.1:8080
//	spendwise --database postgres://…           # serve on PostgreSQL
//	spendwise import --user a@b.example --mapping bank.json bank.csv
//	spendwise export --user a@b.example ledger.ndjson
//
// Each command explains itself with --help. A flag can also be given as an environment variable, SPENDWISE_ and its name in
// capitals with underscores; the flag wins.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // the zones of the ledgers, also where the machine has none

	"github.com/alecthomas/kong"
	"github.com/gin-gonic/gin"
)

func main() {
	gin.SetMode(gin.ReleaseMode) // this process's own: gin prints its routes otherwise
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Once the first signal is there the next one has its usual effect: it ends the process at once.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "spendwise:", err)
		os.Exit(1)
	}
}

// A process is what a command is given of the world it runs in.
type process struct {
	getenv func(string) string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// cli is the one configuration of all commands: flags, and the environment for what they leave out.
type cli struct {
	Database string `help:"Where the ledgers are kept: sqlite:PATH, or a postgres:// DSN, several hosts allowed. Default: an SQLite file in the user's data directory." placeholder:"DSN"`
	Log      string `help:"How to log, to standard error: text, json, or auto (text on a terminal, else json)." enum:"auto,text,json" default:"auto" placeholder:"FORMAT"`

	Serve    serveCmd    `cmd:"" default:"withargs" help:"Serve the HTTP API (the default)."`
	Migrate  migrateCmd  `cmd:"" help:"Bring the database's schema up to this release."`
	Tick     tickCmd     `cmd:"" help:"Post the recurring expenses that are due, and end when none is."`
	Import   importCmd   `cmd:"" help:"Import expenses from a CSV file into a user's ledger."`
	Export   exportCmd   `cmd:"" help:"Write a user's ledger to a file: a backup, a CSV or a PDF report."`
	Restore  restoreCmd  `cmd:"" help:"Restore a user's ledger that export has written, or the whole database from a backup."`
	Backup   backupCmd   `cmd:"" help:"Copy the SQLite database while it is in use, and verify the copy."`
	Verify   verifyCmd   `cmd:"" help:"Recompute what the ledgers promise and report every deviation."`
	NewEpoch newEpochCmd `cmd:"" help:"Make every device sync from the start: once, after the database was restored by other tools."`
	User     userCmd     `cmd:"" help:"Add, list and remove users, and set their passwords."`
	Keys     keysCmd     `cmd:"" help:"Rotate, list and revoke the keys that sign access tokens."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// run parses args and runs the command they name; what it returns is for the person who called it.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) error {
	var config cli
	exited := -1
	parser, err := kong.New(&config,
		kong.Name("spendwise"),
		kong.Description("An expense ledger in many currencies. A flag --some-flag can also be set as SPENDWISE_SOME_FLAG."),
		kong.Resolvers(environment(getenv)),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&config, &process{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if exited >= 0 {
		return nil // --help has been answered
	}
	if err != nil {
		var parse *kong.ParseError
		if errors.As(err, &parse) {
			return fmt.Errorf("%w; see spendwise --help", err)
		}
		return err
	}
	return command.Run()
}

// environment gives a flag the value of its environment variable.
func environment(getenv func(string) string) kong.Resolver {
	var resolve kong.ResolverFunc = func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if flag.Name == "help" {
			return nil, nil
		}
		if value := getenv("SPENDWISE_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))); value != "" {
			return value, nil
		}
		return nil, nil
	}
	return resolve
}

type versionCmd struct{}

// Run prints the module's version and the revision it was built from, as far as the build knows them.
func (versionCmd) Run(p *process) error {
	version, revision, goVersion := build()
	if revision != "" {
		version += " " + revision
	}
	_, err := fmt.Fprintf(p.stdout, "spendwise %s %s\n", version, goVersion)
	return err
}

// build returns what this program was built from, as far as the build knows it.
func build() (version, revision, goVersion string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel", "", runtime.Version()
	}
	version = "devel"
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			revision = setting.Value
		}
	}
	return version, revision, info.GoVersion
}
