package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/jobs"
)

type tickCmd struct {
	Rates rateMode `help:"${ratesHelp}" enum:"ecb,embedded,off" default:"ecb"`
}

// Run posts all due occurrences. It may run at the same time as a server. Unlike the server, it retries failed rules
// at once instead of waiting for their next retry, because an operator may have removed the cause.
func (cmd *tickCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withDatabase(ctx, p, func(db database) error {
		env := expense.Env{Now: time.Now()}
		if cmd.Rates != ratesOff {
			table, err := loadRates(ctx, db)
			if err != nil {
				return err
			}
			env.Rates = table
		}
		round, err := jobs.RetryDue(ctx, db, env)
		_, printErr := fmt.Fprintf(p.stdout, "posted %d expenses in %d ledgers\n", round.Posted, round.Ledgers)
		err = errors.Join(err, printErr)
		if err == nil {
			_, err = jobs.NewAlertRaiser(db).RaiseAll(ctx, env.Now)
		}
		if err == nil && round.Failed > 0 {
			err = fmt.Errorf("%d rules could not be posted; last_error of each rule has the reason, "+
				"and the server retries them", round.Failed)
		}
		return err
	})
}
