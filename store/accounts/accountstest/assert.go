package accountstest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
)

// A checkT is for a check what [testing.T] is for a test. It embeds the store under test. It records failures instead
// of reporting them, so that the suite's own tests can run a check against a broken store.
type checkT struct {
	accounts.Store
	ctx   context.Context //nolint:containedctx // a checkT lives as long as its check
	count int             // of generated values

	mu       sync.Mutex
	failures []string
}

// errorf records a failure with the line of the check that detected it.
func (t *checkT) errorf(format string, args ...any) {
	position := ""
	for depth := 1; position == ""; depth++ {
		_, file, line, ok := runtime.Caller(depth)
		if !ok {
			break
		}
		if strings.HasSuffix(file, "/checks.go") {
			position = fmt.Sprintf("checks.go:%d: ", line)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, position+fmt.Sprintf(format, args...))
}

// fatalf records a failure and ends the check. It must be called on the goroutine of the check.
func (t *checkT) fatalf(format string, args ...any) {
	t.errorf(format, args...)
	runtime.Goexit()
}

func (t *checkT) recordPanic() {
	if reason := recover(); reason != nil {
		t.errorf("panic: %v\n%s", reason, debug.Stack())
	}
}

// noError ends the check unless err is nil.
func (t *checkT) noError(err error, action string) {
	if err != nil {
		t.fatalf("%s: got the error %v of type %T", action, err, err)
	}
}

// wantError records a failure unless err is the error want.
func (t *checkT) wantError(err, want error, action string) {
	if !errors.Is(err, want) {
		t.errorf("%s: got the error %v of type %T, want %q", action, err, err, want)
	}
}

func (t *checkT) wantExists(err error, action string) { t.wantError(err, expense.ErrExists, action) }
func (t *checkT) wantNotFound(err error, action string) {
	t.wantError(err, expense.ErrNotFound, action)
}
func (t *checkT) wantStale(err error, action string) { t.wantError(err, expense.ErrStale, action) }

// equal records a failure unless got is want.
func equal[V comparable](t *checkT, got, want V, subject string) {
	if got != want {
		t.errorf("%s:\n\tgot  %+v\n\twant %+v", subject, got, want)
	}
}

// equalLists records the first difference of two lists.
func equalLists[V comparable](t *checkT, got, want []V, subject string) {
	equal(t, len(got), len(want), subject+": number of rows")
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			equal(t, got[i], want[i], fmt.Sprintf("%s: row %d", subject, i))
			return
		}
	}
}

// methodName returns the name of a method, given as a method value, for failure messages.
func methodName(method any) string {
	name := runtime.FuncForPC(reflect.ValueOf(method).Pointer()).Name()
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "-fm")
}

// callText formats the call of a method with one argument, for failure messages.
func callText(method, key any) string { return fmt.Sprintf("%s(%q)", methodName(method), key) }

// get calls a method without arguments. An error ends the check.
func get[V any](t *checkT, method func(context.Context) (V, error)) V {
	value, err := method(t.ctx)
	t.noError(err, methodName(method))
	return value
}

// getBy calls a method with one argument. An error ends the check.
func getBy[K, V any](t *checkT, method func(context.Context, K) (V, error), key K) V {
	value, err := method(t.ctx, key)
	t.noError(err, callText(method, key))
	return value
}

// wantNotFoundBy calls a method with each key. It must return ErrNotFound.
func wantNotFoundBy[K, V any](t *checkT, method func(context.Context, K) (V, error), keys ...K) {
	for _, key := range keys {
		_, err := method(t.ctx, key)
		t.wantNotFound(err, callText(method, key))
	}
}

// wantNotFoundIn calls a method for an account with the id of a row that belongs to another account, and with an
// unknown id. Both calls must return ErrNotFound.
func (t *checkT) wantNotFoundIn(
	account accounts.Account, id uuid.UUID, method string, call func(account, id uuid.UUID) error,
) {
	t.wantNotFound(call(account.ID, id), method+" of another account's row")
	t.wantNotFound(call(account.ID, uuid.New()), method+" of an unknown id")
}

// wantRows checks that list returns exactly these rows of an account, ordered by id. It checks that one returns each of
// them, and ErrNotFound for an unknown id.
func wantRows[V comparable](
	t *checkT, list func(context.Context, uuid.UUID) ([]V, error),
	one func(ctx context.Context, account, id uuid.UUID) (V, error), rowID func(V) uuid.UUID,
	account uuid.UUID, want []V,
) {
	slices.SortFunc(want, func(x, y V) int { return compareIDs(rowID(x), rowID(y)) })
	equalLists(t, getBy(t, list, account), want, methodName(list))
	_, err := one(t.ctx, account, uuid.New())
	t.wantNotFound(err, methodName(one)+" of an unknown id")
	for _, row := range want {
		got, err := one(t.ctx, account, rowID(row))
		t.noError(err, methodName(one))
		equal(t, got, row, methodName(one))
	}
}

func compareIDs(x, y uuid.UUID) int { return slices.Compare(x[:], y[:]) }

// concurrently calls fn(0) to fn(n-1) at the same time and returns their errors. fn must not call fatalf.
func (t *checkT) concurrently(n int, fn func(i int) error) []error {
	var running sync.WaitGroup
	errs, start := make([]error, n), make(chan struct{})
	for i := range n {
		running.Go(func() {
			defer t.recordPanic()
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	running.Wait()
	return errs
}

// wantOneSuccess calls fn(0) to fn(7) at the same time. One call must succeed, the others must return the error want.
// It returns the argument of the call that succeeded.
func (t *checkT) wantOneSuccess(want error, method string, fn func(i int) error) int {
	winner, succeeded := 0, 0
	for i, err := range t.concurrently(8, fn) {
		if err == nil {
			winner = i
			succeeded++
			continue
		}
		t.wantError(err, want, method+", called concurrently")
	}
	equal(t, succeeded, 1, method+": number of concurrent calls that succeeded")
	return winner
}
