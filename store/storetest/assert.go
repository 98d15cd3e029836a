package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// A checkT is for a check what [testing.T] is for a test. It records failures instead of reporting them, so that the
// suite's own tests can run a check against a broken store.
type checkT struct {
	ctx   context.Context //nolint:containedctx // a checkT lives as long as its check
	st    store.Store
	id    string // of the check
	stage stage

	mu             sync.Mutex
	failures       []string
	skipped        string          // why the check does not apply to the store
	calls, missing map[string]bool // methods, see result
}

func newCheckT(ctx context.Context, id string, stage stage) *checkT {
	return &checkT{ctx: ctx, id: id, stage: stage, calls: make(map[string]bool), missing: make(map[string]bool)}
}

// has reports whether the methods of a stage are implemented when the check runs. A check that runs in several stages
// uses it to call only these.
func (t *checkT) has(stage stage) bool { return t.stage >= stage }

// errorf records a failure with the line of the check that detected it.
func (t *checkT) errorf(format string, args ...any) {
	t.record(callerPosition() + fmt.Sprintf(format, args...))
}

func (t *checkT) record(failure string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, failure)
}

// fatalf records a failure and ends the check. It must be called on the goroutine of the check.
func (t *checkT) fatalf(format string, args ...any) {
	t.errorf(format, args...)
	runtime.Goexit()
}

// skip ends the check because it does not apply to the store. It must be called on the goroutine of the check.
func (t *checkT) skip(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skipped = reason
	runtime.Goexit()
}

func (t *checkT) recordPanic() {
	if reason := recover(); reason != nil {
		t.errorf("panic: %v\n%s", reason, debug.Stack())
	}
}

// callerPosition returns the file and line of the innermost caller in a file of checks.
func callerPosition() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		frame, more := frames.Next()
		file := filepath.Base(frame.File)
		helper := slices.Contains([]string{"assert.go", "fixture.go", "storetest.go", "traced.go"}, file)
		if !helper && strings.Contains(frame.Function, "/storetest.") {
			return fmt.Sprintf("%s:%d: ", file, frame.Line)
		}
		if !more {
			return ""
		}
	}
}

// noError ends the check unless err is nil.
func (t *checkT) noError(err error, action string, args ...any) {
	if err != nil {
		t.fatalf("%s: got the error %v of type %T", fmt.Sprintf(action, args...), err, err)
	}
}

// Targets of wantError that are no errors of the store.
var (
	errAny          = errors.New("any error")
	errNeverExisted = errors.New("ErrNotFound but not ErrGone")
)

// wantError records a failure unless err is the error want, or one that errAny or errNeverExisted stands for.
func (t *checkT) wantError(err, want error, action string, args ...any) {
	var ok bool
	switch {
	case errors.Is(want, errAny):
		ok = err != nil
	case errors.Is(want, errNeverExisted):
		ok = errors.Is(err, expense.ErrNotFound) && !errors.Is(err, expense.ErrGone)
	default:
		ok = errors.Is(err, want)
	}
	if !ok {
		t.errorf("%s: got the error %v of type %T, want %q", fmt.Sprintf(action, args...), err, err, want)
	}
}

// equal records a failure unless got is want.
func equal[V comparable](t *checkT, got, want V, subject string, args ...any) {
	if got != want {
		t.errorf("%s:%s", fmt.Sprintf(subject, args...), difference(got, want))
	}
}

// difference formats two different values. It formats the id and the fields that differ if they are rows.
func difference(got, want any) string {
	x, y := reflect.ValueOf(got), reflect.ValueOf(want)
	if x.Kind() != reflect.Struct || !x.FieldByName("ID").IsValid() {
		return fmt.Sprintf("\n\tgot  %+v\n\twant %+v", got, want)
	}
	var text strings.Builder
	fmt.Fprintf(&text, " row %v:", y.FieldByName("ID"))
	for i := range x.NumField() {
		if field := x.Type().Field(i); !x.Field(i).Equal(y.Field(i)) {
			fmt.Fprintf(&text, "\n\t%s: got %+v, want %+v", field.Name, x.Field(i), y.Field(i))
		}
	}
	return text.String()
}

// equalLists records the first difference of two lists.
func equalLists[V comparable](t *checkT, got, want []V, subject string, args ...any) {
	for i := range max(len(got), len(want)) {
		subject := fmt.Sprintf(subject, args...)
		switch {
		case i >= len(got):
			t.errorf("%s: got %d rows, want %d; the first missing row is\n\t%+v", subject, len(got), len(want), want[i])
		case i >= len(want):
			t.errorf("%s: got %d rows, want %d; the first extra row is\n\t%+v", subject, len(got), len(want), got[i])
		case got[i] != want[i]:
			t.errorf("%s: index %d of %d:%s", subject, i, len(want), difference(got[i], want[i]))
		default:
			continue
		}
		return
	}
}

// describe formats a value, so that values with nil and with empty slices compare as equal.
func describe[V any](value V) string { return fmt.Sprintf("%+v", value) }

// describeAll formats each value of a list.
func describeAll[V any](values []V) []string {
	var texts []string
	for _, value := range values {
		texts = append(texts, describe(value))
	}
	return texts
}

// methodName returns the name of a method, given as a method value or method expression, for failure messages.
func methodName(method any) string {
	name := runtime.FuncForPC(reflect.ValueOf(method).Pointer()).Name()
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "-fm")
}

// get calls a method of a Reader or Tx without arguments. An error ends the check.
func get[V any](t *checkT, method func(context.Context) (V, error)) V {
	value, err := method(t.ctx)
	t.noError(err, "%s", methodName(method))
	return value
}

// getBy calls a method of a Reader or Tx with one argument. An error ends the check.
func getBy[K, V any](t *checkT, method func(context.Context, K) (V, error), key K) V {
	value, err := method(t.ctx, key)
	t.noError(err, "%s(%+v)", methodName(method), key)
	return value
}

// wantErrorBy calls a method of a Reader or Tx with one argument. It must return the error want.
func wantErrorBy[K, V any](t *checkT, method func(context.Context, K) (V, error), key K, want error, subject string,
	args ...any) {
	_, err := method(t.ctx, key)
	t.wantError(err, want, "%s of %s", methodName(method), fmt.Sprintf(subject, args...))
}

// collect returns the rows of a sequence. An error ends the check.
func collect[V any](t *checkT, rows iter.Seq2[V, error], method string) []V {
	var list []V
	for row, err := range rows {
		t.noError(err, "%s", method)
		list = append(list, row)
	}
	return list
}

// cancelled returns a context that is cancelled.
func (t *checkT) cancelled() context.Context {
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	return ctx
}

// concurrently calls fn(0) to fn(n-1) at the same time and waits for all of them. fn must not call fatalf.
func (t *checkT) concurrently(n int, fn func(i int)) {
	var running sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		running.Go(func() {
			defer t.recordPanic()
			<-start
			fn(i)
		})
	}
	close(start)
	running.Wait()
}

// dump formats all rows that r can read in the stage, one row on each line, so that two states of a ledger can be
// compared.
func (t *checkT) dump(r store.Reader) string {
	var text strings.Builder
	fmt.Fprintf(&text, "settings %+v\n", get(t, r.Settings))
	dumpRows(&text, "category", get(t, r.Categories))
	if t.has(queriesStage) {
		dumpRows(&text, "expense", t.expenses(r, expense.Query{}))
	}
	if t.has(totalsStage) {
		dumpRows(&text, "total", getBy(t, r.Totals, expense.TotalsQuery{
			Ranges: []expense.Range{{}}, Granularity: expense.ByMonth,
		}))
	}
	if t.has(rulesStage) {
		dumpRows(&text, "rule", get(t, r.Rules))
	}
	if t.has(budgetsStage) {
		snapshot := get(t, r.BudgetSnapshot)
		fmt.Fprintf(&text, "snapshot settings %+v\n", snapshot.Settings)
		dumpRows(&text, "snapshot category", snapshot.Categories)
		dumpRows(&text, "budget", snapshot.Budgets)
		dumpRows(&text, "alert", getBy(t, r.Alerts, expense.Month{}))
	}
	return text.String()
}

func dumpRows[V any](text *strings.Builder, kind string, rows []V) {
	for _, row := range rows {
		fmt.Fprintf(text, "%s %+v\n", kind, row)
	}
}

// wantUnchanged ends the check if a ledger's rows, read by r, differ from an earlier dump, because later comparisons
// would fail too. The failure has the first line that differs. It must be called on the goroutine of the check.
func (t *checkT) wantUnchanged(before string, r store.Reader, action string, args ...any) {
	after := t.dump(r)
	if before == after {
		return
	}
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range max(len(was), len(is)) {
		oldLine, newLine := "nothing", "nothing"
		if i < len(was) {
			oldLine = was[i]
		}
		if i < len(is) {
			newLine = is[i]
		}
		if oldLine != newLine {
			t.fatalf("%s changed the ledger:\n\tbefore %s\n\tafter  %s", fmt.Sprintf(action, args...), oldLine, newLine)
		}
	}
}

// expenses returns the expenses that r yields.
func (t *checkT) expenses(r store.Reader, query expense.Query) []expense.Expense {
	return collect(t, r.Expenses(t.ctx, query), "Expenses")
}

// view runs fn in a View, which must succeed.
func (t *checkT) view(owner expense.OwnerID, fn func(r store.Reader)) {
	t.noError(t.st.View(t.ctx, owner, func(r store.Reader) error { fn(r); return nil }), "View")
}

func (t *checkT) erase(owner expense.OwnerID) {
	t.noError(t.st.EraseLedger(t.ctx, owner), "EraseLedger of %q", owner)
}

// purgeTombstones purges all tombstones, and no idempotency records of requests.
func (t *checkT) purgeTombstones() { t.purge(time.Time{}, time.Now().Add(time.Hour)) }

func (t *checkT) purge(requests, tombstones time.Time) {
	t.noError(t.st.Purge(t.ctx, requests, tombstones), "Purge")
}
