// Command spendwise runs the bundled server of the expense ledger and its administration commands.
//
//	spendwise                                   # serve on an SQLite file, http://127.0.0.1:8080
//	spendwise --database postgres://…           # serve on PostgreSQL
//	spendwise import --user a@b.example --mapping bank.json bank.csv
//	spendwise export --user a@b.example ledger.ndjson
//
// Each command prints its flags with --help. A flag can also be set by an environment variable: SPENDWISE_ and the
// flag's name in upper case, with underscores. A flag on the command line takes precedence.
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
	_ "time/tzdata" // for machines that have no time zone database

	"github.com/alecthomas/kong"
	"github.com/gin-gonic/gin"
)

func main() {
	gin.SetMode(gin.ReleaseMode) // otherwise gin prints its routes
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal starts a graceful stop. The second one has its default effect and ends the process at once.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "spendwise:", err)
		os.Exit(1)
	}
}

// A process holds the environment and the standard streams, so that tests can replace them.
type process struct {
	getenv func(string) string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// cli declares all commands and flags. Flags that are not given are read from the environment.
type cli struct {
	Database string `help:"${databaseHelp}" placeholder:"DSN"`
	Log      string `help:"${logHelp}" enum:"auto,text,json" default:"auto" placeholder:"FORMAT"`

	Serve    serveCmd    `cmd:"" default:"withargs" help:"Serve the HTTP API (the default)."`
	Migrate  migrateCmd  `cmd:"" help:"Migrate the database's schema to this release."`
	Tick     tickCmd     `cmd:"" help:"Post all recurring expenses that are due, then exit."`
	Import   importCmd   `cmd:"" help:"Import expenses from a CSV file into a user's ledger."`
	Export   exportCmd   `cmd:"" help:"Write a user's ledger to a file: a backup, a CSV or a PDF report."`
	Restore  restoreCmd  `cmd:"" help:"${restoreHelp}"`
	Backup   backupCmd   `cmd:"" help:"Copy the SQLite database while servers use it, and verify the copy."`
	Verify   verifyCmd   `cmd:"" help:"Check every ledger for consistency and report each deviation."`
	NewEpoch newEpochCmd `cmd:"" help:"${newEpochHelp}"`
	User     userCmd     `cmd:"" help:"Add, list and remove users, and set passwords."`
	Keys     keysCmd     `cmd:"" help:"Rotate, list and revoke the keys that sign access tokens."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// run parses args and runs the command. main prints its error to the user.
func run(
	ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer,
) error {
	var config cli
	exited := -1
	parser, err := kong.New(&config,
		kong.Name("spendwise"),
		kong.Description("An expense ledger in many currencies. A flag --some-flag can also be set as SPENDWISE_SOME_FLAG."),
		helpTexts,
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
		return nil // kong printed the help
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

// environment resolves a flag from its environment variable.
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

// Run prints the versions of the module and of Go, and the revision if the build recorded it.
func (versionCmd) Run(p *process) error {
	version, revision, goVersion := build()
	if revision != "" {
		version += " " + revision
	}
	_, err := fmt.Fprintf(p.stdout, "spendwise %s %s\n", version, goVersion)
	return err
}

// build returns the build information of this program. Version is "devel" and revision "" if the build did not record
// them.
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
