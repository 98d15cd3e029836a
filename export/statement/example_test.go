package statement_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
	"github.com/spendwise/spendwise/store/memstore"
)

func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// line 2: add 2026-02-03 3.20 EUR Coffee
	// line 3: add 2026-02-03 3.20 EUR Coffee
	// 2 added, 0 known
	// 0 added, 2 known
	// 2 removed, 0 kept
}

func example(ctx context.Context) error {
	st := memstore.New()
	defer func() { _ = st.Close() }()
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return err
	}
	if _, err := st.CreateLedger(ctx, "ada", expense.NewInitialLedger("ada", settings, time.Now())); err != nil {
		return err
	}

	file := strings.NewReader("Date,Paid,What\n03/02/2026,3.20,Coffee\n03/02/2026,3.20,Coffee\n")
	in, err := statement.Inspect(ctx, file, statement.Mapping{}, settings)
	if err != nil {
		return err
	}
	mapping := in.Mapping
	for _, question := range in.Questions { // a program shows the choices to a person
		if mapping, err = statement.MergeMappings(mapping, question.Choices[0].Mapping); err != nil {
			return err
		}
	}
	for _, row := range in.Rows {
		fmt.Printf("line %d: %s %s %s %s\n", row.Line, row.Status, row.Date, row.Amount, row.Notes)
	}

	env := expense.Env{Now: time.Now()}
	var first statement.Result
	for i := range 2 {
		if _, err := file.Seek(0, 0); err != nil {
			return err
		}
		result, err := statement.Import(ctx, st, "ada", env, file, mapping, statement.Options{})
		if err != nil {
			return err
		}
		if i == 0 {
			first = result
		}
		fmt.Printf("%d added, %d known\n", result.Added, result.Known)
	}
	undone, err := statement.Undo(ctx, st, "ada", env, first.ID)
	if err != nil {
		return err
	}
	fmt.Printf("%d removed, %d kept\n", undone.Removed, len(undone.Kept))
	return nil
}
