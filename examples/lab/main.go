// Command lab shows with one command each how SpendWise behaves under load, beside failing parts, and over time:
//
//	go run ./examples/lab peak --users 25000          # the target's load, then three times as much
//	go run ./examples/lab degrade                     # a slow, lossy, cut-off database; no rates; a full disk
//	go run ./examples/lab failover                    # the primary killed, the standby promoted
//	go run ./examples/lab crash --duration 5m         # servers killed at random
//	go run ./examples/lab soak --duration 1h          # memory, goroutines and file handles over time
//
// It starts what it needs (servers as processes, PostgreSQL from the binaries on this machine), loads ledgers, drives an open-loop
// load, prints what it measured, has `spendwise verify` check every ledger, and ends with PASS or FAIL.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// cli is the configuration of all experiments.
type cli struct {
	Users    int           `help:"How many users have a ledger." default:"500"`
	Months   int           `help:"How many months of 100 expenses each ledger holds." default:"12"`
	Rate     float64       `help:"Requests per second." default:"100"`
	Duration time.Duration `help:"How long each phase lasts." default:"30s"`
	Servers  int           `help:"How many servers share the database." default:"2"`
	Lenient  bool          `help:"Judge latencies and the time after a promotion by ten times the limits, and the refusals of a failover by three times, for a machine that does other work. Wrong answers and losses are judged as ever."`
	Grown    bool          `help:"Load PostgreSQL with its indexes in place: many times slower, and as large as a database that grew."`
	Complete bool          `help:"Fail if this machine does not let a part be tried, instead of saying so."`
	Keep     bool          `help:"Keep the databases and logs."`

	Peak     peakCmd     `cmd:"" help:"The load of the target, then three times as much."`
	Degrade  degradeCmd  `cmd:"" help:"Failing parts: right answers or clear refusals, no pile-up, recovery within 10 s."`
	Failover failoverCmd `cmd:"" help:"The primary killed under load and the standby promoted: nothing acknowledged is lost or doubled."`
	Crash    crashCmd    `cmd:"" help:"Servers killed at random under load: nothing acknowledged is lost or doubled."`
	Soak     soakCmd     `cmd:"" help:"A long load: memory, goroutines and file handles stay flat."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt does not wait for what the first one stops
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var config cli
	parser, err := kong.New(&config, kong.Name("lab"), kong.Description("Shows how SpendWise behaves under load and beside failing parts."))
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if err != nil {
		return err
	}
	l, err := newLab(ctx, config)
	if err != nil {
		return err
	}
	command.BindTo(ctx, (*context.Context)(nil))
	failure := command.Run(l)
	if failure == nil {
		failure = l.verdict()
	}
	return errors.Join(failure, l.close())
}
