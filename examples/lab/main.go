// Command lab measures SpendWise under load, during failures, and over time, with one command per experiment:
//
//	go run ./examples/lab peak --users 25000          # the target load, then three times as much
//	go run ./examples/lab degrade                     # slow, lossy or no database; no rates; a full disk
//	go run ./examples/lab failover                    # kill the primary, promote the standby
//	go run ./examples/lab crash --duration 5m         # kill servers at random times
//	go run ./examples/lab soak --duration 1h          # memory, goroutines and file handles over time
//
// It starts server processes and PostgreSQL from the binaries of this machine, creates ledgers, drives an open-loop
// load, prints the measurements, runs spendwise verify on every ledger, and ends with PASS or FAIL.
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
	Users    int           `help:"The number of users; each has a ledger." default:"500"`
	Months   int           `help:"The number of months in each ledger; a month has 100 expenses." default:"12"`
	Rate     float64       `help:"Requests per second." default:"100"`
	Duration time.Duration `help:"The duration of each phase." default:"30s"`
	Servers  int           `help:"The number of servers on the database." default:"2"`
	Lenient  bool          `help:"${lenientHelp}"`
	Grown    bool          `help:"Keep PostgreSQL's indexes while loading. It is slower, but they grow as in production."`
	Complete bool          `help:"Fail if this machine does not support a check, instead of skipping it."`
	Keep     bool          `help:"Do not delete the databases and logs."`

	Peak     peakCmd     `cmd:"" help:"The target load, then three times as much."`
	Degrade  degradeCmd  `cmd:"" help:"Failing components: correct responses or 503, no backlog, recovery within 10 s."`
	Failover failoverCmd `cmd:"" help:"Kill the primary, promote the standby: no write is lost or duplicated."`
	Crash    crashCmd    `cmd:"" help:"Kill servers at random times: no write is lost or duplicated."`
	Soak     soakCmd     `cmd:"" help:"A long load: memory, goroutines and file handles stay constant."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var config cli
	parser, err := kong.New(&config, kong.Name("lab"),
		kong.Vars{
			"lenientHelp": "For a busy machine: multiply the limits on latencies and on the time after a promotion by " +
				"ten, and on failed requests of a failover by three. The limits on wrong responses and lost writes stay 0."},
		kong.Description("Measures SpendWise under load, during failures, and over time."))
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
		failure = l.result()
	}
	return errors.Join(failure, l.close())
}
