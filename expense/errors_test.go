package expense_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

func TestValidationErrors_ErrReportsAll(t *testing.T) {
	var errs expense.ValidationErrors
	if err := errs.Err(); err != nil {
		t.Fatalf("no errs are %v", err)
	}
	errs.Add("amount", "malformed_amount", "%q is no amount", "x")
	if err := errs.Err(); !errors.Is(err, expense.ErrInvalid) || err.Error() != `amount: "x" is no amount` {
		t.Errorf("one field error is %v", err)
	}
	_, err := expense.ParseDate("x")
	if rest := errs.AddError("date", err); rest != nil {
		t.Errorf("Take gave back %v", rest)
	}
	named := &expense.InvalidError{Field: "notes", Code: "too_long", Detail: "too long"}
	if rest := errs.AddError("other", fmt.Errorf("draft: %w", named)); rest != nil {
		t.Errorf("Take gave back %v", rest)
	}

	err = fmt.Errorf("expense 1: %w", errs.Err())
	if !errors.Is(err, expense.ErrInvalid) {
		t.Errorf("%v is not ErrInvalid", err)
	}
	var fields []string
	for _, e := range expense.InvalidErrors(err) {
		fields = append(fields, e.Field)
	}
	if got := fmt.Sprint(fields); got != "[amount date notes]" {
		t.Errorf("the errs are of %s", got)
	}
	if !errs.Has("date") || errs.Has("other") {
		t.Error("Has does not tell what was noted")
	}
	first, ok := errors.AsType[*expense.InvalidError](err)
	if !ok || first.Field != "amount" {
		t.Errorf("the first field error is %v", first)
	}
}

func TestValidationErrors_ErrIsNotChangedByLaterAdds(t *testing.T) {
	var errs expense.ValidationErrors
	errs.Add("a", "x", "first")
	errs.Add("b", "x", "second")
	err := errs.Err()
	errs.Add("c", "x", "third")
	if got := len(expense.InvalidErrors(err)); got != 2 {
		t.Errorf("an error of two errs now has %d", got)
	}
}

func TestValidationErrors_AddErrorReturnsOtherErrors(t *testing.T) {
	var errs expense.ValidationErrors
	if err := errs.AddError("date", nil); err != nil {
		t.Errorf("Take(nil) = %v", err)
	}
	if err := errs.AddError("date", io.ErrUnexpectedEOF); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Take gave back %v", err)
	}
	if err := errs.Err(); err != nil {
		t.Errorf("noted %v", err)
	}
}

func TestValidationErrors_HasFindsErrorsOfElements(t *testing.T) {
	var errs expense.ValidationErrors
	errs.Add("weekdays/1", "unknown_value", "weekday %q is unknown", "x")
	for field, want := range map[string]bool{"weekdays": true, "weekdays/1": true, "weekdays/0": false, "week": false} {
		if got := errs.Has(field); got != want {
			t.Errorf("Has(%q) = %t, want %t", field, got, want)
		}
	}
}

func TestInvalidErrors_IgnoresOtherErrors(t *testing.T) {
	for _, err := range []error{nil, io.EOF, expense.ErrStale, expense.ErrInvalid, errors.Join(io.EOF, expense.ErrGone)} {
		if errs := expense.InvalidErrors(err); len(errs) != 0 {
			t.Errorf("InvalidErrors(%v) = %v", err, errs)
		}
	}
}

func TestErrors_SentinelsThatImplyOthers(t *testing.T) {
	var stale error = &expense.RowError{Type: "expense", ID: uuid.New(), Err: &expense.StaleError{Current: 7}}
	tests := []struct {
		name        string
		err, target error
		is          bool
	}{
		{"a deleted row is not found", expense.ErrGone, expense.ErrNotFound, true},
		{"a row that is not found need not be deleted", expense.ErrNotFound, expense.ErrGone, false},
		{"a StaleError is stale", stale, expense.ErrStale, true},
		{"a StaleError is not invalid", stale, expense.ErrInvalid, false},
		{"a field error is invalid", &expense.InvalidError{}, expense.ErrInvalid, true},
		{"a field error is not stale", &expense.InvalidError{}, expense.ErrStale, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := errors.Is(test.err, test.target); got != test.is {
				t.Errorf("errors.Is(%v, %v) = %t", test.err, test.target, got)
			}
		})
	}
	if row, ok := errors.AsType[*expense.RowError](fmt.Errorf("change: %w", stale)); !ok || row.Type != "expense" {
		t.Errorf("the row is not kept: %v", row)
	}
	if found, ok := errors.AsType[*expense.StaleError](stale); !ok || found.Current != 7 {
		t.Errorf("the current version is not kept: %v", found)
	}
}

func ExampleInvalidErrors() {
	_, err := expense.ParseMoney("12.345", "XYZ")
	for _, fieldError := range expense.InvalidErrors(err) {
		fmt.Println(fieldError.Field, fieldError.Code)
	}
	_, err = expense.ParseMoney("12,50", "XYZ")
	for _, fieldError := range expense.InvalidErrors(err) {
		fmt.Println(fieldError.Field, fieldError.Code)
	}
	// Output:
	// currency unknown_currency
	// currency unknown_currency
	// amount malformed_amount
}
