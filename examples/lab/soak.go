package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

type soakCmd struct{}

// samples is the number of times that the footprint is measured.
const samples = 40

// Run drives the load for a long time and compares the resources that a server uses late with those it used early.
func (soakCmd) Run(ctx context.Context, l *lab) error {
	database, users, err := l.postgres(ctx)
	if err != nil {
		return err
	}
	name := database.DSN("postgres")
	servers, err := l.serve(ctx, l.config.Servers, name)
	if err != nil {
		return err
	}
	d := newDriver(users, servers)
	var group sync.WaitGroup
	group.Go(func() { d.run(ctx, l.config.Rate, l.config.Duration) })
	var taken []footprint
	fmt.Println("\nsoak: resources of a server")
	for range samples {
		if err := wait(ctx, l.config.Duration/samples); err != nil {
			return err
		}
		f, err := servers[0].footprint(ctx)
		if err != nil {
			return err
		}
		taken = append(taken, f)
		fmt.Printf("  %s  %d MiB, %d goroutines, %d files\n",
			time.Now().Format(time.TimeOnly), f.memory>>20, f.goroutines, f.files)
	}
	group.Wait()
	d.print("soak: " + l.config.Duration.String())
	early, late := taken[samples/4:samples/2], taken[3*samples/4:]
	median := func(part []footprint, value func(footprint) int) int {
		values := make([]int, len(part))
		for i, f := range part {
			values[i] = value(f)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	for _, resource := range [...]struct {
		name  string
		value func(footprint) int
		slack int
	}{
		{"MiB of memory", func(f footprint) int { return int(f.memory >> 20) }, 20},
		{"goroutines", func(f footprint) int { return f.goroutines }, 40},
		{"files", func(f footprint) int { return f.files }, 40},
	} {
		before, after := median(early, resource.value), median(late, resource.value)
		l.check(after <= before+before/5+resource.slack, "%s: median %d early, %d late (limit: 20 %% and %d more)",
			resource.name, before, after, resource.slack)
	}
	all := d.sum(nil)
	l.check(all.refused+all.failures() == 0, "no errors: %d", all.refused+all.failures())
	if err := l.checkWrites(ctx, d, name); err != nil {
		return err
	}
	l.verify(ctx, name)
	return ctx.Err()
}
