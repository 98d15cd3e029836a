// Command cldr generates the currency table of package expense and the locale data of package expense/locale from CLDR
// and ISO 4217. Run it with
//
//	go generate ./expense
//
// It needs npm and access to the npm registry. The versions of the data are constants below, so each run writes the
// same files. To update CLDR, change the constants, run the command and run the tests of both packages.
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

// The npm packages with the data.
var (
	cldrCore      = npmPackage{"cldr-core", "48.2.0"}
	cldrNumbers   = npmPackage{"cldr-numbers-full", "48.2.0"}
	cldrDates     = npmPackage{"cldr-dates-full", "48.2.0"}
	currencyCodes = npmPackage{"currency-codes", "2.2.0"}
)

// cldrPublished is the day on which the CLDR packages were published.
const cldrPublished = "2026-03-25"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "cldr:", err)
		os.Exit(1)
	}
}

// run writes the files. The working directory is the folder of package expense.
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

// decode decodes the JSON file with this name into v.
func (f files) decode(name string, v any) error {
	text, ok := f[name]
	if !ok {
		return fmt.Errorf("the npm package has no file %s", name)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
