// Package storagetest checks implementations of [client.Storage]. An unsent change exists only in the Storage, so a
// defect of the Storage loses data. The package imports no test library.
//
//	func TestMyStorage(t *testing.T) {
//		if err := storagetest.Check(t.Context(), open, reopen); err != nil {
//			t.Fatal(err)
//		}
//	}
//
// Each check has an id, which consists of the method and, if the method has several guarantees, the guarantee:
// Storage.Update/atomic, Tx.Rows. The error of a failed check begins with the id.
package storagetest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/client"
)

// Check runs all checks and returns their errors, joined, or nil. open returns a new, empty Storage at each call.
// reopen closes a Storage and opens the same one again, as another process would. It is nil for a Storage whose content
// is lost when the process ends.
func Check(
	ctx context.Context, open func() (client.Storage, error), reopen func(client.Storage) (client.Storage, error),
) error {
	var failed []error
	for _, c := range checks() {
		if err := c.runOn(ctx, open, reopen); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", c.id, err))
		}
	}
	return errors.Join(failed...)
}

// A check verifies one guarantee of [client.Storage] or [client.Tx].
type check struct {
	id  string
	run func(p *probe) error
}

// A probe holds the Storage and the context of one run of a check.
type probe struct {
	ctx     context.Context //nolint:containedctx // a probe lives as long as one check
	storage client.Storage
	reopen  func(client.Storage) (client.Storage, error)
}

func (c check) runOn(
	ctx context.Context, open func() (client.Storage, error), reopen func(client.Storage) (client.Storage, error),
) (err error) {
	p := &probe{ctx: ctx, reopen: reopen}
	if p.storage, err = open(); err != nil {
		return err
	}
	defer func() {
		if closeErr := p.storage.Close(); closeErr != nil {
			err = errors.Join(err, fmt.Errorf("close: %w", closeErr))
		}
	}()
	return c.run(p)
}

func checks() []check {
	return []check{
		{"Storage.View/snapshot", checkSnapshot},
		{"Storage.Update/exclusive", checkExclusive},
		{"Storage.Update/atomic", checkAtomic},
		{"Storage.Update/durable", checkClose},
		{"Storage.Close", checkClose},
		{"Tx.Value", checkValues},
		{"Tx.SetValue", checkValues},
		{"Tx.Row", checkRow},
		{"Tx.Rows", checkRows},
		{"Tx.PutRows", checkRow},
		{"Tx.DeleteRows", checkDeleteRows},
		{"Tx.DeleteRowsBefore", checkGenerations},
		{"Tx.Mutations", checkQueries},
		{"Tx.PutMutations", checkMutations},
		{"Tx.DeleteMutations", checkDeleteMutations},
	}
}

// expect returns err, or the formatted error if err is nil and ok is false.
func expect(err error, ok bool, format string, args ...any) error {
	if err == nil && !ok {
		err = fmt.Errorf(format, args...)
	}
	return err
}

func (p *probe) update(fn func(tx client.Tx) error) error { return p.storage.Update(p.ctx, fn) }

// verify runs write and read in an Update, then read in a View, and then read again after reopening the Storage, if
// reopen is set.
func (p *probe) verify(write, read func(tx client.Tx) error) error {
	err := p.update(func(tx client.Tx) error {
		if err := write(tx); err != nil {
			return err
		}
		return read(tx)
	})
	if err != nil {
		return fmt.Errorf("in an Update: %w", err)
	}
	if err := p.storage.View(p.ctx, read); err != nil {
		return fmt.Errorf("in a View: %w", err)
	}
	if p.reopen == nil {
		return nil
	}
	reopened, err := p.reopen(p.storage)
	if err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	p.storage = reopened
	if err := p.storage.View(p.ctx, read); err != nil {
		return fmt.Errorf("after reopening: %w", err)
	}
	return nil
}

func key(t client.Type, id string) client.RowKey { return client.RowKey{Type: t, ID: id} }

func row(t client.Type, id string, generation int64) client.Row {
	return client.Row{RowKey: key(t, id), Version: 1, Generation: generation, Data: json.RawMessage(`{"id":"` + id + `"}`)}
}

// maxVersion is the largest version that JSON readers keep exactly. Versions of a restored ledger start at the
// microseconds since 1970.
const maxVersion = 1<<53 - 1

func sameRow(a, b client.Row) bool {
	return a.RowKey == b.RowKey && a.Version == b.Version && a.Generation == b.Generation && bytes.Equal(a.Data, b.Data)
}

func checkRow(p *probe) error {
	lunch := row(client.ExpenseType, "a", 3)
	lunch.Version, lunch.Data = maxVersion, json.RawMessage(
		"{\"notes\":\"Zoë \\u0000 \\\"'; -- 日本\",\"amount\":\"12.50\"}")
	food := row(client.CategoryType, "a", math.MaxInt64) // same id as the expense
	return p.verify(func(tx client.Tx) error {
		return errors.Join(
			tx.PutRows(p.ctx), tx.PutRows(p.ctx, row(client.ExpenseType, "a", 1), food), tx.PutRows(p.ctx, lunch))
	}, func(tx client.Tx) error {
		for _, want := range []client.Row{lunch, food} {
			got, err := tx.Row(p.ctx, want.RowKey)
			if err := expect(err, sameRow(got, want), "row is %+v, want %+v", got, want); err != nil {
				return err
			}
		}
		_, err := tx.Row(p.ctx, key(client.BudgetType, "a"))
		return expect(nil, errors.Is(err, expense.ErrNotFound), "the error for a missing row is %v, want ErrNotFound", err)
	})
}

func ids(rows []client.Row) (ids []string) {
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

// expectRows checks the ids of all rows of type t, in order.
func (p *probe) expectRows(tx client.Tx, t client.Type, want ...string) error {
	rows, err := tx.Rows(p.ctx, t)
	return expect(err, slices.Equal(ids(rows), want), "the rows of type %s are %q, want %q", t, ids(rows), want)
}

func checkRows(p *probe) error {
	return p.verify(func(tx client.Tx) error {
		return tx.PutRows(p.ctx,
			row(client.ExpenseType, "b", 1), row(client.ExpenseType, "B", 1), row(client.CategoryType, "0", 1),
			row(client.ExpenseType, "a", 1), row(client.ExpenseType, "10", 1), row(client.ExpenseType, "9", 1))
	}, func(tx client.Tx) error {
		return errors.Join(p.expectRows(tx, client.ExpenseType, "10", "9", "B", "a", "b"),
			p.expectRows(tx, client.CategoryType, "0"), p.expectRows(tx, client.AlertType))
	})
}

func checkDeleteRows(p *probe) error {
	return p.verify(func(tx client.Tx) error {
		return errors.Join(
			tx.PutRows(p.ctx,
				row(client.ExpenseType, "a", 1), row(client.ExpenseType, "b", 1), row(client.CategoryType, "a", 1)),
			tx.DeleteRows(p.ctx),
			tx.DeleteRows(p.ctx, key(client.BudgetType, "b"), key(client.ExpenseType, "a"), key(client.ExpenseType, "c")))
	}, func(tx client.Tx) error {
		return errors.Join(p.expectRows(tx, client.ExpenseType, "b"), p.expectRows(tx, client.CategoryType, "a"))
	})
}

func checkGenerations(p *probe) error {
	return p.verify(func(tx client.Tx) error {
		return errors.Join(
			tx.PutRows(p.ctx, row(client.ExpenseType, "a", 1), row(client.ExpenseType, "b", 2),
				row(client.ExpenseType, "c", 3), row(client.CategoryType, "d", 1)),
			tx.PutMutations(p.ctx, mutation("m", 1, client.Queued)),
			tx.DeleteRowsBefore(p.ctx, 2))
	}, func(tx client.Tx) error {
		return errors.Join(p.expectRows(tx, client.ExpenseType, "b", "c"), p.expectRows(tx, client.CategoryType),
			p.expectMutations(tx, client.MutationQuery{}, "m"))
	})
}

func checkValues(p *probe) error {
	binary := []byte("\x00\xff'; --\n")
	return p.verify(func(tx client.Tx) error {
		return errors.Join(tx.SetValue(p.ctx, "schema", []byte("mine")), tx.SetValue(p.ctx, "Schema", binary),
			tx.SetValue(p.ctx, "never", nil),
			tx.SetValue(p.ctx, "twice", []byte("1")), tx.SetValue(p.ctx, "twice", []byte("2")),
			tx.SetValue(p.ctx, "gone", []byte("1")), tx.SetValue(p.ctx, "gone", nil))
	}, func(tx client.Tx) error {
		for name, want := range map[string][]byte{
			"schema": []byte("mine"), "Schema": binary, "twice": []byte("2"), "never": nil, "gone": nil, "other": nil,
		} {
			got, err := tx.Value(p.ctx, name)
			same := bytes.Equal(got, want) && (got == nil) == (want == nil)
			if err := expect(err, same, "the value of %q is %q, want %q", name, got, want); err != nil {
				return err
			}
		}
		return nil
	})
}

func mutation(id string, seq int64, state client.State) client.Mutation {
	return client.Mutation{
		Key: key(client.ExpenseType, "a"), ID: id, Seq: seq, Op: client.Put, State: state,
		Data: json.RawMessage(`{"amount":"1"}`),
	}
}

func (p *probe) expectMutations(tx client.Tx, query client.MutationQuery, want ...string) error {
	mutations, err := tx.Mutations(p.ctx, query)
	var got []string
	for _, m := range mutations {
		got = append(got, m.ID)
	}
	return expect(err, slices.Equal(got, want), "the query %+v returns %q, want %q", query, got, want)
}

// checkMutations stores a mutation with every field set, one with only the required fields, and one that is replaced.
func checkMutations(p *probe) error {
	complete := client.Mutation{
		Key: key(client.RuleType, "a"), ID: "full", Seq: math.MaxInt64, Op: client.Patch,
		BaseVersion: maxVersion, BaseMutation: "m0",
		Data: json.RawMessage(`{"notes":"a\u0000b"}`), State: client.Conflicted, Reissues: 3,
		BaseRow: json.RawMessage(`{"amount":"1"}`), Predicted: true,
		CreatedAt: time.Date(2026, time.March, 8, 12, 0, 0, 123456789, time.UTC),
		Result: &client.MutationResult{MutationID: "full", Status: "conflict", Version: maxVersion,
			Resource: json.RawMessage(`{"amount":"2"}`),
			Problem:  &client.Problem{Status: 409, Code: "conflict", Detail: "Another device has changed the row."}},
	}
	minimal := client.Mutation{
		Key: key(client.ExpenseType, "b"), ID: "minimal", Seq: 1, Op: client.Delete, State: client.Queued,
	}
	changed := mutation("changed", 7, client.Queued)
	return p.verify(func(tx client.Tx) error {
		err := errors.Join(tx.PutMutations(p.ctx), tx.PutMutations(p.ctx, complete, changed, minimal))
		changed.State, changed.Seq, changed.Key.ID, changed.Data = client.Sent, 8, "z", nil
		return errors.Join(err, tx.PutMutations(p.ctx, changed))
	}, func(tx client.Tx) error {
		mutations, err := tx.Mutations(p.ctx, client.MutationQuery{})
		for i := range mutations {
			mutations[i].CreatedAt = mutations[i].CreatedAt.UTC()
		}
		want := []client.Mutation{minimal, changed, complete}
		return expect(err, reflect.DeepEqual(mutations, want), "the mutations are\n%+v, want\n%+v", mutations, want)
	})
}

// checkQueries compares the results of queries of every kind with MutationQuery.Matches.
func checkQueries(p *probe) error {
	var all []client.Mutation
	for i := range 24 {
		m := mutation(fmt.Sprint("m", (i*7)%24), int64((i*11)%24), client.State(1+i%5))
		m.Key = key([]client.Type{client.ExpenseType, client.BudgetType}[i%2], fmt.Sprint(i%3))
		all = append(all, m)
	}
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b client.Mutation) int { return cmp.Compare(a.Seq, b.Seq) })
	keys := []client.RowKey{
		{}, key(client.ExpenseType, ""), key(client.ExpenseType, "1"), key(client.BudgetType, "2"),
		key(client.AlertType, "1"),
	}
	states := [][]client.State{
		nil, {client.Queued}, {client.Sent, client.Rejected}, {client.Acknowledged, client.Queued, client.Conflicted},
	}
	return p.verify(func(tx client.Tx) error { return tx.PutMutations(p.ctx, all...) }, func(tx client.Tx) error {
		for i := range len(keys) * len(states) * 3 {
			query := client.MutationQuery{
				Key: keys[i%len(keys)], States: states[i/len(keys)%len(states)], Limit: []int{0, 1, 3}[i/len(keys)/len(states)],
			}
			var want []string
			for _, m := range sorted {
				if query.Matches(m) && (query.Limit == 0 || len(want) < query.Limit) {
					want = append(want, m.ID)
				}
			}
			if err := p.expectMutations(tx, query, want...); err != nil {
				return err
			}
		}
		return nil
	})
}

func checkDeleteMutations(p *probe) error {
	return p.verify(func(tx client.Tx) error {
		return errors.Join(
			tx.PutMutations(p.ctx,
				mutation("a", 1, client.Sent), mutation("b", 2, client.Queued), mutation("c", 3, client.Queued)),
			tx.DeleteMutations(p.ctx), tx.DeleteMutations(p.ctx, "none", "a", "c"))
	}, func(tx client.Tx) error {
		return errors.Join(p.expectMutations(tx, client.MutationQuery{}, "b"),
			p.expectMutations(tx, client.MutationQuery{States: []client.State{client.Sent}}))
	})
}

// writeText writes text as a value, a row and a mutation.
func (p *probe) writeText(tx client.Tx, text string) error {
	m := mutation("m", 1, client.Queued)
	m.BaseMutation = text
	r := row(client.ExpenseType, "a", 1)
	r.Data = json.RawMessage(`{"notes":"` + text + `"}`)
	return errors.Join(tx.SetValue(p.ctx, "v", []byte(text)), tx.PutRows(p.ctx, r), tx.PutMutations(p.ctx, m))
}

// readText returns the text that writeText wrote. It returns an error if value, row and mutation differ.
func (p *probe) readText(tx client.Tx) (string, error) {
	value, err := tx.Value(p.ctx, "v")
	r, rowErr := tx.Row(p.ctx, key(client.ExpenseType, "a"))
	mutations, mutationsErr := tx.Mutations(p.ctx, client.MutationQuery{})
	if err := errors.Join(err, rowErr, mutationsErr); err != nil {
		return "", err
	}
	text := string(value)
	consistent := len(mutations) == 1 && mutations[0].BaseMutation == text && string(r.Data) == `{"notes":"`+text+`"}`
	return text, expect(nil, consistent,
		"value %q, row %s and %d mutations come from different Updates: %+v", text, r.Data, len(mutations), mutations)
}

var errAborted = errors.New("aborted")

// checkAtomic runs Updates that fail, panic or are cancelled, and verifies that they leave nothing behind.
func checkAtomic(p *probe) error {
	if err := p.update(func(tx client.Tx) error { return p.writeText(tx, "kept") }); err != nil {
		return err
	}
	overwrite := func(tx client.Tx) error {
		return errors.Join(p.writeText(tx, "aborted"), tx.PutRows(p.ctx, row(client.BudgetType, "b", 1)),
			tx.SetValue(p.ctx, "more", []byte("x")), tx.SetValue(p.ctx, "v", nil), tx.DeleteMutations(p.ctx, "m"),
			tx.DeleteRows(p.ctx, key(client.ExpenseType, "a")), tx.DeleteRowsBefore(p.ctx, 9))
	}
	err := p.update(func(tx client.Tx) error { return errors.Join(overwrite(tx), errAborted) })
	if !errors.Is(err, errAborted) {
		return fmt.Errorf("an Update whose function returns an error returns %w", err)
	}
	panicked := func() (reason any) {
		defer func() { reason = recover() }()
		return p.update(func(tx client.Tx) error {
			if err := overwrite(tx); err != nil {
				return err
			}
			panic(errAborted)
		})
	}()
	if panicked != any(errAborted) {
		return fmt.Errorf("an Update whose function panics ends with %v instead of the panic", panicked)
	}
	cancelledCtx, cancel := context.WithCancel(p.ctx)
	cancel()
	if err := p.storage.Update(cancelledCtx, overwrite); err == nil {
		return errors.New("an Update with a cancelled context returns nil")
	}
	return p.verify(func(client.Tx) error { return nil }, func(tx client.Tx) error {
		text, err := p.readText(tx)
		if err := expect(err, text == "kept", "failed Updates left %q", text); err != nil {
			return err
		}
		more, err := tx.Value(p.ctx, "more")
		err = expect(err, more == nil, "a failed Update left the value %q", more)
		return errors.Join(err, p.expectRows(tx, client.BudgetType))
	})
}

// concurrently runs fn n times at once.
func concurrently(n int, fn func(i int) error) error {
	failures := make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() { failures[i] = fn(i) })
	}
	running.Wait()
	return errors.Join(failures...)
}

// checkExclusive increments a counter in concurrent Updates.
func checkExclusive(p *probe) error {
	const workers, turns = 4, 10
	err := concurrently(workers, func(int) error {
		for range turns {
			err := p.update(func(tx client.Tx) error {
				text, err := tx.Value(p.ctx, "count")
				if err != nil {
					return err
				}
				time.Sleep(100 * time.Microsecond) // lets other Updates interleave
				return tx.SetValue(p.ctx, "count", append(slices.Clone(text), 'I'))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.storage.View(p.ctx, func(tx client.Tx) error {
		text, err := tx.Value(p.ctx, "count")
		return expect(err, len(text) == workers*turns,
			"%d increments in concurrent Updates resulted in %d", workers*turns, len(text))
	})
}

// checkSnapshot reads in Views while another goroutine writes.
func checkSnapshot(p *probe) error {
	if err := p.update(func(tx client.Tx) error { return p.writeText(tx, "0") }); err != nil {
		return err
	}
	const readers, turns = 3, 10
	var reading sync.WaitGroup
	reading.Add(readers)
	done := make(chan struct{})
	go func() {
		reading.Wait()
		close(done)
	}()
	return concurrently(readers+1, func(i int) error {
		if i < readers {
			defer reading.Done()
			return p.readTwice(turns)
		}
		for turn := 0; ; turn++ {
			select {
			case <-done:
				return nil
			case <-time.After(50 * time.Microsecond):
			}
			if err := p.update(func(tx client.Tx) error { return p.writeText(tx, fmt.Sprint(turn)) }); err != nil {
				return err
			}
		}
	})
}

// readTwice reads the text twice in each of several Views and compares the results.
func (p *probe) readTwice(turns int) error {
	for range turns {
		err := p.storage.View(p.ctx, func(tx client.Tx) error {
			before, err := p.readText(tx)
			if err != nil {
				return err
			}
			time.Sleep(time.Millisecond) // lets an Update commit in between
			after, err := p.readText(tx)
			return expect(err, before == after, "the same View returned %q and then %q", before, after)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkClose fills a Storage and reads it after reopening. [Check] itself verifies that Close succeeds.
func checkClose(p *probe) error {
	return p.verify(func(tx client.Tx) error { return p.writeText(tx, "closed") }, func(tx client.Tx) error {
		_, err := p.readText(tx)
		return err
	})
}
