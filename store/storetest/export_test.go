package storetest

import (
	"context"
	"time"

	"github.com/spendwise/spendwise/store"
)

// A Stage is a stage of the suite.
type Stage struct {
	Name    string
	Methods []string // that the stage adds
	Checks  []Check
}

// A Check is a check of a stage.
type Check struct {
	ID, Guarantee string
	check         check
	stage         stage
}

// Stages returns the stages in order.
func Stages() []Stage {
	var list []Stage
	for i, info := range stages() {
		exported := Stage{Name: info.name, Methods: info.methods}
		for _, c := range info.checks {
			exported.Checks = append(exported.Checks, Check{info.name + "/" + c.name, c.guarantee, c, stage(i)})
		}
		list = append(list, exported)
	}
	return list
}

// Checks returns all checks in order.
func Checks() []Check {
	var list []Check
	for _, s := range Stages() {
		list = append(list, s.Checks...)
	}
	return list
}

// A Result is the outcome of a check.
type Result struct {
	Failures       []string
	Calls, Missing map[string]bool // the methods that the check called, and those that are not implemented
}

// Run runs the check with a deadline of timeout.
func (c Check) Run(ctx context.Context, st store.Store, timeout time.Duration) Result {
	r := c.check.against(ctx, st, c.stage, timeout)
	return Result{r.failures, r.calls, r.missing}
}
