// Command cldr writes the generated data of package expense: the table of currencies and the patterns, symbols and
// names that money and months are written with. Run it by
//
//	go generate ./expense
//
// which needs npm and its registry. The versions it reads are constants below, so the same program writes the same
// files. To take a newer CLDR, change them, run it, and let the package's tests say what the change breaks.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
)

// The packages that the data is taken from.
var (
	cldrCore      = npmPackage{"cldr-core", "48.2.0"}
	cldrNumbers   = npmPackage{"cldr-numbers-full", "48.2.0"}
	cldrDates     = npmPackage{"cldr-dates-full", "48.2.0"}
	currencyCodes = npmPackage{"currency-codes", "2.2.0"}
)

// cldrPublished is the day the CLDR packages were published.
const cldrPublished = "2026-03-25"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "cldr:", err)
		os.Exit(1)
	}
}

// run writes the files into the working directory, which is that of the package with the go:generate line.
func run(ctx context.Context) error {
	core, err := cldrCore.fetch(ctx)
	if err != nil {
		return err
	}
	iso, err := currencyCodes.fetch(ctx)
	if err != nil {
		return err
	}
	numbers, err := cldrNumbers.fetch(ctx)
	if err != nil {
		return err
	}
	dates, err := cldrDates.fetch(ctx)
	if err != nil {
		return err
	}
	published, rows, err := currencies(core, iso)
	if err != nil {
		return err
	}
	table, err := currencyTable(published, rows)
	if err != nil {
		return err
	}
	locales, err := localeTable(core, numbers, dates, slices.Sorted(maps.Keys(rows)))
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile("currency_table.go", table, 0o644),
		os.WriteFile("locale/locales.txt.gz", locales, 0o644),
	)
}

// decode reads the named JSON file of a package into v.
func (f files) decode(name string, v any) error {
	text, ok := f[name]
	if !ok {
		return fmt.Errorf("the package has no file %s", name)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
