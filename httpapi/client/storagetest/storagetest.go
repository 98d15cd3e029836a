// Package storagetest is the suite that a [client.Storage] of one's own proves itself with: a queue of changes that is not yet sent
// is all there is of them. It imports no test library.
//
//	func TestMyStorage(t *testing.T) {
//		if err := storagetest.Check(t.Context(), open, reopen); err != nil {
//			t.Fatal(err)
//		}
//	}
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

// Check returns what a Storage breaks of the promises of [client.Storage] and [client.Tx], each told by its sentence; nil if nothing.
// open returns an empty Storage each time. reopen closes one and opens what it kept, as another process would; it is nil for a
// Storage that keeps nothing beyond its process.
func Check(ctx context.Context, open func() (client.Storage, error), reopen func(client.Storage) (client.Storage, error)) error {
	var broken []error
	for _, c := range checks() {
		if err := c.try(ctx, open, reopen); err != nil {
			broken = append(broken, fmt.Errorf("%s: %w", c.says, err))
		}
	}
	return errors.Join(broken...)
}

// A check holds a Storage to one sentence of its interface.
type check struct {
	says string
	run  func(p *probe) error
}

// A probe is one check at work.
type probe struct {
	ctx     context.Context //nolint:containedctx // a probe lives as long as one check
	storage client.Storage
	reopen  func(client.Storage) (client.Storage, error)
}

func (c check) try(
	ctx context.Context, open func() (client.Storage, error), reopen func(client.Storage) (client.Storage, error),
) (err error) {
	p := &probe{ctx: ctx, reopen: reopen}
	if p.storage, err = open(); err != nil {
		return err
	}
	defer func() {
		if closed := p.storage.Close(); closed != nil {
			err = errors.Join(err, fmt.Errorf("close: %w", closed))
		}
	}()
	return c.run(p)
}

func checks() []check {
	return []check{
		{"Storage.View: View runs fn over one consistent state.", checkView},
		{"Storage.Update: Update runs fn, alone.", checkAlone},
		{"Storage.Update: When it returns nil, all that fn wrote is kept, come what may; when fn or the Storage fails, nothing of it is.", checkWhole},
		{"Storage.Close: Close gives back what the Storage holds open.", checkClose},
		{"Tx.Value: Value returns what was set under a name, or nil.", checkValues},
		{"Tx.SetValue: SetValue sets it; nil removes it.", checkValues},
		{"Tx.Row: Row returns one row; ErrNotFound if there is none.", checkRow},
		{"Tx.Rows: Rows returns all rows of a type, ordered by id.", checkRows},
		{"Tx.PutRows: PutRows writes rows, in place of those that have their keys.", checkRow},
		{"Tx.DeleteRows: DeleteRows removes rows; keys that there are no rows of are passed over.", checkDeleteRows},
		{"Tx.DeleteRowsBefore: DeleteRowsBefore removes the rows of all generations before this one.", checkGenerations},
		{"Tx.Mutations: Mutations returns those that a query asks for, ordered by Seq.", checkQueries},
		{"Tx.PutMutations: PutMutations writes mutations, in place of those that have their ids.", checkMutations},
		{"Tx.DeleteMutations: DeleteMutations removes mutations; ids that there are none of are passed over.", checkDeleteMutations},
	}
}

// tell joins what failed, and what is not as it should be.
func tell(err error, right bool, format string, args ...any) error {
	if err == nil && !right {
		err = fmt.Errorf(format, args...)
	}
	return err
}

func (p *probe) update(fn func(tx client.Tx) error) error { return p.storage.Update(p.ctx, fn) }

// both runs reading inside an Update, after writing, and once more in a View, when it is kept; and after reopening, where that goes.
func (p *probe) both(writing, reading func(tx client.Tx) error) error {
	err := p.update(func(tx client.Tx) error {
		if err := writing(tx); err != nil {
			return err
		}
		return reading(tx)
	})
	if err != nil {
		return fmt.Errorf("in an Update: %w", err)
	}
	if err := p.storage.View(p.ctx, reading); err != nil {
		return fmt.Errorf("in a View: %w", err)
	}
	if p.reopen == nil {
		return nil
	}
	again, err := p.reopen(p.storage)
	if err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	p.storage = again
	if err := p.storage.View(p.ctx, reading); err != nil {
		return fmt.Errorf("after it was opened anew: %w", err)
	}
	return nil
}

func key(t client.Type, id string) client.RowKey { return client.RowKey{Type: t, ID: id} }

func row(t client.Type, id string, generation int64) client.Row {
	return client.Row{RowKey: key(t, id), Version: 1, Generation: generation, Data: json.RawMessage(`{"id":"` + id + `"}`)}
}

// largest is the largest version: a restored ledger counts from the microseconds since 1970.
const largest = 1<<53 - 1

func sameRow(a, b client.Row) bool {
	return a.RowKey == b.RowKey && a.Version == b.Version && a.Generation == b.Generation && bytes.Equal(a.Data, b.Data)
}

func checkRow(p *probe) error {
	lunch := row(client.ExpenseType, "a", 3)
	lunch.Version, lunch.Data = largest, json.RawMessage("{\"notes\":\"Zoë \\u0000 \\\"'; -- 日本\",\"amount\":\"12.50\"}")
	food := row(client.CategoryType, "a", math.MaxInt64) // the same id, and another row
	return p.both(func(tx client.Tx) error {
		return errors.Join(tx.PutRows(p.ctx), tx.PutRows(p.ctx, row(client.ExpenseType, "a", 1), food), tx.PutRows(p.ctx, lunch))
	}, func(tx client.Tx) error {
		for _, want := range []client.Row{lunch, food} {
			got, err := tx.Row(p.ctx, want.RowKey)
			if err := tell(err, sameRow(got, want), "it holds %+v, want %+v", got, want); err != nil {
				return err
			}
		}
		_, err := tx.Row(p.ctx, key(client.BudgetType, "a"))
		return tell(nil, errors.Is(err, expense.ErrNotFound), "a row that there is none of: %v", err)
	})
}

func ids(rows []client.Row) (ids []string) {
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

// holds says that of a type there are the rows of these ids, in this order.
func (p *probe) holds(tx client.Tx, t client.Type, want ...string) error {
	rows, err := tx.Rows(p.ctx, t)
	return tell(err, slices.Equal(ids(rows), want), "of type %s it has %q, want %q", t, ids(rows), want)
}

func checkRows(p *probe) error {
	return p.both(func(tx client.Tx) error {
		return tx.PutRows(p.ctx, row(client.ExpenseType, "b", 1), row(client.ExpenseType, "B", 1), row(client.CategoryType, "0", 1),
			row(client.ExpenseType, "a", 1), row(client.ExpenseType, "10", 1), row(client.ExpenseType, "9", 1))
	}, func(tx client.Tx) error {
		return errors.Join(p.holds(tx, client.ExpenseType, "10", "9", "B", "a", "b"), p.holds(tx, client.CategoryType, "0"), p.holds(tx, client.AlertType))
	})
}

func checkDeleteRows(p *probe) error {
	return p.both(func(tx client.Tx) error {
		return errors.Join(
			tx.PutRows(p.ctx, row(client.ExpenseType, "a", 1), row(client.ExpenseType, "b", 1), row(client.CategoryType, "a", 1)),
			tx.DeleteRows(p.ctx), tx.DeleteRows(p.ctx, key(client.BudgetType, "b"), key(client.ExpenseType, "a"), key(client.ExpenseType, "c")))
	}, func(tx client.Tx) error {
		return errors.Join(p.holds(tx, client.ExpenseType, "b"), p.holds(tx, client.CategoryType, "a"))
	})
}

func checkGenerations(p *probe) error {
	return p.both(func(tx client.Tx) error {
		return errors.Join(
			tx.PutRows(p.ctx, row(client.ExpenseType, "a", 1), row(client.ExpenseType, "b", 2), row(client.ExpenseType, "c", 3), row(client.CategoryType, "d", 1)),
			tx.PutMutations(p.ctx, mutation("m", 1, client.Queued)),
			tx.DeleteRowsBefore(p.ctx, 2))
	}, func(tx client.Tx) error {
		return errors.Join(p.holds(tx, client.ExpenseType, "b", "c"), p.holds(tx, client.CategoryType), p.finds(tx, client.MutationQuery{}, "m"))
	})
}

func checkValues(p *probe) error {
	odd := []byte("\x00\xff'; --\n")
	return p.both(func(tx client.Tx) error {
		return errors.Join(tx.SetValue(p.ctx, "schema", []byte("mine")), tx.SetValue(p.ctx, "Schema", odd), tx.SetValue(p.ctx, "never", nil),
			tx.SetValue(p.ctx, "twice", []byte("1")), tx.SetValue(p.ctx, "twice", []byte("2")),
			tx.SetValue(p.ctx, "gone", []byte("1")), tx.SetValue(p.ctx, "gone", nil))
	}, func(tx client.Tx) error {
		for name, want := range map[string][]byte{"schema": []byte("mine"), "Schema": odd, "twice": []byte("2"), "never": nil, "gone": nil, "other": nil} {
			got, err := tx.Value(p.ctx, name)
			if err := tell(err, bytes.Equal(got, want) && (got == nil) == (want == nil), "under %q it holds %q, want %q", name, got, want); err != nil {
				return err
			}
		}
		return nil
	})
}

func mutation(id string, seq int64, state client.State) client.Mutation {
	return client.Mutation{Key: key(client.ExpenseType, "a"), ID: id, Seq: seq, Op: client.Put, Data: json.RawMessage(`{"amount":"1"}`), State: state}
}

func (p *probe) finds(tx client.Tx, query client.MutationQuery, want ...string) error {
	found, err := tx.Mutations(p.ctx, query)
	var got []string
	for _, m := range found {
		got = append(got, m.ID)
	}
	return tell(err, slices.Equal(got, want), "%+v finds %q, want %q", query, got, want)
}

// checkMutations writes one with every member set, and one with none that need not be.
func checkMutations(p *probe) error {
	full := client.Mutation{
		Key: key(client.RuleType, "a"), ID: "full", Seq: math.MaxInt64, Op: client.Patch, BaseVersion: largest, BaseMutation: "m0",
		Data: json.RawMessage(`{"notes":"a\u0000b"}`), State: client.Conflicted, Reissues: 3, BaseRow: json.RawMessage(`{"amount":"1"}`), Predicted: true,
		CreatedAt: time.Date(2026, time.March, 8, 12, 0, 0, 123456789, time.UTC),
		Result: &client.MutationResult{MutationID: "full", Status: "conflict", Version: largest, Resource: json.RawMessage(`{"amount":"2"}`),
			Problem: &client.Problem{Status: 409, Code: "conflict", Detail: "The row was changed first."}},
	}
	bare := client.Mutation{Key: key(client.ExpenseType, "b"), ID: "bare", Seq: 1, Op: client.Delete, State: client.Queued}
	changed := mutation("changed", 7, client.Queued)
	return p.both(func(tx client.Tx) error {
		err := errors.Join(tx.PutMutations(p.ctx), tx.PutMutations(p.ctx, full, changed, bare))
		changed.State, changed.Seq, changed.Key.ID, changed.Data = client.Sent, 8, "z", nil
		return errors.Join(err, tx.PutMutations(p.ctx, changed))
	}, func(tx client.Tx) error {
		found, err := tx.Mutations(p.ctx, client.MutationQuery{})
		for i := range found {
			found[i].CreatedAt = found[i].CreatedAt.UTC()
		}
		want := []client.Mutation{bare, changed, full}
		return tell(err, reflect.DeepEqual(found, want), "it holds\n%+v, want\n%+v", found, want)
	})
}

// checkQueries holds the answers to all kinds of queries against what the query itself says it matches.
func checkQueries(p *probe) error {
	var all []client.Mutation
	for i := range 24 {
		m := mutation(fmt.Sprint("m", (i*7)%24), int64((i*11)%24), client.State(1+i%5))
		m.Key = key([]client.Type{client.ExpenseType, client.BudgetType}[i%2], fmt.Sprint(i%3))
		all = append(all, m)
	}
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b client.Mutation) int { return cmp.Compare(a.Seq, b.Seq) })
	keys := []client.RowKey{{}, key(client.ExpenseType, ""), key(client.ExpenseType, "1"), key(client.BudgetType, "2"), key(client.AlertType, "1")}
	states := [][]client.State{nil, {client.Queued}, {client.Sent, client.Rejected}, {client.Acknowledged, client.Queued, client.Conflicted}}
	return p.both(func(tx client.Tx) error { return tx.PutMutations(p.ctx, all...) }, func(tx client.Tx) error {
		for i := range len(keys) * len(states) * 3 {
			query := client.MutationQuery{Key: keys[i%len(keys)], States: states[i/len(keys)%len(states)], Limit: []int{0, 1, 3}[i/len(keys)/len(states)]}
			var want []string
			for _, m := range sorted {
				if query.Matches(m) && (query.Limit == 0 || len(want) < query.Limit) {
					want = append(want, m.ID)
				}
			}
			if err := p.finds(tx, query, want...); err != nil {
				return err
			}
		}
		return nil
	})
}

func checkDeleteMutations(p *probe) error {
	return p.both(func(tx client.Tx) error {
		return errors.Join(tx.PutMutations(p.ctx, mutation("a", 1, client.Sent), mutation("b", 2, client.Queued), mutation("c", 3, client.Queued)),
			tx.DeleteMutations(p.ctx), tx.DeleteMutations(p.ctx, "none", "a", "c"))
	}, func(tx client.Tx) error {
		return errors.Join(p.finds(tx, client.MutationQuery{}, "b"), p.finds(tx, client.MutationQuery{States: []client.State{client.Sent}}))
	})
}

// fill writes, or overwrites, one of everything.
func (p *probe) fill(tx client.Tx, text string) error {
	m := mutation("m", 1, client.Queued)
	m.BaseMutation = text
	r := row(client.ExpenseType, "a", 1)
	r.Data = json.RawMessage(`{"notes":"` + text + `"}`)
	return errors.Join(tx.SetValue(p.ctx, "v", []byte(text)), tx.PutRows(p.ctx, r), tx.PutMutations(p.ctx, m))
}

// filled reads what fill wrote: one text, or it is not of one moment.
func (p *probe) filled(tx client.Tx) (string, error) {
	value, err := tx.Value(p.ctx, "v")
	r, failure := tx.Row(p.ctx, key(client.ExpenseType, "a"))
	mutations, more := tx.Mutations(p.ctx, client.MutationQuery{})
	if err := errors.Join(err, failure, more); err != nil {
		return "", err
	}
	text := string(value)
	whole := len(mutations) == 1 && mutations[0].BaseMutation == text && string(r.Data) == `{"notes":"`+text+`"}`
	return text, tell(nil, whole, "a value %q, a row %s and %d mutations are of different moments: %+v", text, r.Data, len(mutations), mutations)
}

var errUndone = errors.New("undone")

// checkWhole ends Updates in every way but well: what was there before stays.
func checkWhole(p *probe) error {
	if err := p.update(func(tx client.Tx) error { return p.fill(tx, "kept") }); err != nil {
		return err
	}
	spoil := func(tx client.Tx) error {
		return errors.Join(p.fill(tx, "undone"), tx.PutRows(p.ctx, row(client.BudgetType, "b", 1)), tx.SetValue(p.ctx, "more", []byte("x")),
			tx.DeleteRows(p.ctx, key(client.ExpenseType, "a")), tx.DeleteMutations(p.ctx, "m"), tx.DeleteRowsBefore(p.ctx, 9), tx.SetValue(p.ctx, "v", nil))
	}
	err := p.update(func(tx client.Tx) error { return errors.Join(spoil(tx), errUndone) })
	if !errors.Is(err, errUndone) {
		return fmt.Errorf("an Update whose function fails returns %w", err)
	}
	panicked := func() (reason any) {
		defer func() { reason = recover() }()
		return p.update(func(tx client.Tx) error {
			if err := spoil(tx); err != nil {
				return err
			}
			panic(errUndone)
		})
	}()
	if panicked != any(errUndone) {
		return fmt.Errorf("an Update whose function panics ends with %v", panicked)
	}
	cancelled, cancel := context.WithCancel(p.ctx)
	cancel()
	if err := p.storage.Update(cancelled, spoil); err == nil {
		return errors.New("an Update whose context was cancelled before it began returns nil")
	}
	return p.both(func(client.Tx) error { return nil }, func(tx client.Tx) error {
		text, err := p.filled(tx)
		if err := tell(err, text == "kept", "Updates that failed left %q", text); err != nil {
			return err
		}
		more, err := tx.Value(p.ctx, "more")
		return errors.Join(tell(err, more == nil, "an Update that failed left the value %q", more), p.holds(tx, client.BudgetType))
	})
}

// together runs fn at once, so often.
func together(n int, fn func(i int) error) error {
	failures := make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() { failures[i] = fn(i) })
	}
	running.Wait()
	return errors.Join(failures...)
}

// checkAlone counts in several goroutines what no two of them may count at once.
func checkAlone(p *probe) error {
	const workers, turns = 4, 10
	err := together(workers, func(int) error {
		for range turns {
			err := p.update(func(tx client.Tx) error {
				text, err := tx.Value(p.ctx, "count")
				if err != nil {
					return err
				}
				time.Sleep(100 * time.Microsecond) // time for somebody else to come between
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
		return tell(err, len(text) == workers*turns, "%d Updates that each add one made %d", workers*turns, len(text))
	})
}

// checkView reads while others write.
func checkView(p *probe) error {
	if err := p.update(func(tx client.Tx) error { return p.fill(tx, "0") }); err != nil {
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
	return together(readers+1, func(i int) error {
		if i < readers {
			defer reading.Done()
			return p.compare(turns)
		}
		for turn := 0; ; turn++ {
			select {
			case <-done:
				return nil
			case <-time.After(50 * time.Microsecond):
			}
			if err := p.update(func(tx client.Tx) error { return p.fill(tx, fmt.Sprint(turn)) }); err != nil {
				return err
			}
		}
	})
}

// compare reads everything twice in each of so many Views.
func (p *probe) compare(turns int) error {
	for range turns {
		err := p.storage.View(p.ctx, func(tx client.Tx) error {
			before, err := p.filled(tx)
			if err != nil {
				return err
			}
			time.Sleep(time.Millisecond) // time for somebody to write
			after, err := p.filled(tx)
			return tell(err, before == after, "within one View it was %q, and then %q", before, after)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkClose leaves it to who closes: [Check] closes each Storage, and reopen does.
func checkClose(p *probe) error {
	return p.both(func(tx client.Tx) error { return p.fill(tx, "closed") }, func(tx client.Tx) error {
		_, err := p.filled(tx)
		return err
	})
}
