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
	Rates rateMode `help:"Exchange rates: ecb or embedded (the embedded history and what the server has fetched), or off." enum:"ecb,embedded,off" default:"ecb"`
}

// Run posts what is due until nothing is, as the server does at each tick; both may run at once. Whoever runs it by hand has
// perhaps mended what was wrong with a rule that failed: such a rule is tried again, however long the server would wait.
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
		if _, printed := fmt.Fprintf(p.stdout, "posted %d expenses in %d ledgers\n", round.Posted, round.Ledgers); printed != nil {
			err = errors.Join(err, printed)
		}
		if err == nil {
			_, err = jobs.NewAlertRaiser(db).RaiseAll(ctx, env.Now)
		}
		if err == nil && round.Failed > 0 {
			err = fmt.Errorf("%d rules could not be posted; each says why (last_error), and is tried again later", round.Failed)
		}
		return err
	})
}
