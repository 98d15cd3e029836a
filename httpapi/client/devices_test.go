package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/client"
	"github.com/spendwise/spendwise/httpapi/client/sqlitestorage"
)

// crashingStorage simulates a process that crashes at one of its writes, just before or just after the commit.
type crashingStorage struct {
	client.Storage
	writesLeft int // number of writes until the crash; 0: no crash
	after      bool
	dead       bool
}

var errDead = errors.New("the process has died")

func (m *crashingStorage) View(ctx context.Context, fn func(client.Tx) error) error {
	if m.dead {
		return errDead
	}
	return m.Storage.View(ctx, fn)
}

func (m *crashingStorage) Update(ctx context.Context, fn func(client.Tx) error) error {
	if m.writesLeft--; m.writesLeft == 0 {
		m.dead = true
		if m.after {
			_ = m.Storage.Update(ctx, fn)
		}
	}
	if m.dead {
		return errDead
	}
	return m.Storage.Update(ctx, fn)
}

// A fleet is a set of devices of one account and the expected state of their expenses.
type fleet struct {
	*rapid.T
	ctx      context.Context
	site     *site
	devices  []*fleetDevice
	expected map[uuid.UUID]*expectedExpense
	ids      []uuid.UUID
}

type fleetDevice struct {
	name    string
	open    func() client.Storage
	storage *crashingStorage
	options []client.Option
	client  *client.Client
	account bool // uses Login; otherwise a personal access token
}

// An expectedExpense is the expected state of an expense.
type expectedExpense struct {
	amount  string
	writers map[string]bool
	deleted bool // a device has queued its deletion
	unknown bool // the process crashed during the write, so its outcome is unknown
}

func (f *fleet) start(d *fleetDevice) {
	d.storage = &crashingStorage{Storage: d.open()}
	c, err := client.New("https://ledger.example.com", append([]client.Option{
		client.WithHTTPClient(&http.Client{Transport: f.site}), client.WithStorage(d.storage), client.WithClock(f.site.now),
		client.WithMaxAttempts(1), client.WithPageSize(rapid.IntRange(1, 20).Draw(f.T, "page")),
		client.WithPushBatchSize(rapid.IntRange(1, 5).Draw(f.T, "push")),
		client.WithConflictHandler(func(_ context.Context, conflict client.Conflict) client.Decision {
			if want := f.expected[uuid.MustParse(conflict.Mutation.Key.ID)]; want != nil && conflict.RowDeleted() {
				want.deleted = true
			}
			return client.KeepServer()
		}),
	}, d.options...)...)
	if err != nil {
		f.Fatal(err)
	}
	d.client = c
}

// handleError restarts a device that has crashed and signs in a device whose session has ended. Any other error must
// come from the network.
func (f *fleet) handleError(d *fleetDevice, err error) {
	switch {
	case d.storage.dead:
		f.start(d)
	case errors.Is(err, client.ErrSignedOut) && d.account:
		// The response to a refresh was lost and not requested again within 30 seconds.
		f.site.intercept(nil)
		if err := d.client.Login(f.ctx, anna); err != nil {
			f.Fatalf("%s signs in again: %v", d.name, err)
		}
	case err == nil, errors.Is(err, errLost), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, expense.ErrNotFound):
	default:
		f.Fatalf("%s: %v", d.name, err)
	}
}

func (f *fleet) device() *fleetDevice {
	return f.devices[rapid.IntRange(0, len(f.devices)-1).Draw(f.T, "device")]
}

func (f *fleet) put(*rapid.T) {
	d, id := f.device(), uuid.Must(uuid.NewV7())
	amount := fmt.Sprintf("%d.00", rapid.IntRange(1, 999).Draw(f.T, "amount"))
	_, err := d.client.Expenses().Put(f.ctx, client.ExpenseDraft{ID: id, Amount: amount})
	f.expected[id] = &expectedExpense{amount: amount, writers: map[string]bool{d.name: true}, unknown: err != nil}
	f.ids = append(f.ids, id)
	f.handleError(d, err)
}

func (f *fleet) patch(*rapid.T) {
	if len(f.ids) == 0 {
		return
	}
	d, id := f.device(), rapid.SampledFrom(f.ids).Draw(f.T, "row")
	amount := fmt.Sprintf("%d.00", rapid.IntRange(1, 999).Draw(f.T, "amount"))
	_, err := d.client.Expenses().Patch(f.ctx, id, client.ExpensePatch{Amount: client.Set(amount)})
	if !errors.Is(err, expense.ErrNotFound) {
		f.expected[id].amount, f.expected[id].writers[d.name] = amount, true
		f.expected[id].unknown = f.expected[id].unknown || err != nil
	}
	f.handleError(d, err)
}

func (f *fleet) delete(*rapid.T) {
	if len(f.ids) == 0 {
		return
	}
	d, id := f.device(), rapid.SampledFrom(f.ids).Draw(f.T, "row")
	if _, err := d.client.Expenses().Get(f.ctx, id); err == nil {
		f.expected[id].deleted = true
	}
	f.handleError(d, d.client.Expenses().Delete(f.ctx, id))
}

func (f *fleet) talk(*rapid.T) {
	d := f.device()
	trouble := rapid.SliceOfN(rapid.IntRange(0, 9), 12, 12).Draw(f.T, "trouble")
	f.site.intercept(func(_ *http.Request, serve func() *http.Response) (*http.Response, error) {
		kind := 9
		if len(trouble) > 0 {
			kind, trouble = trouble[0], trouble[1:]
		}
		switch kind {
		case 0: // lose the request
			return nil, errLost
		case 1: // lose the response
			serve().Body.Close()
			return nil, errLost
		case 2: // truncate the response
			resp := serve()
			half := io.LimitReader(resp.Body, resp.ContentLength/2)
			resp.Body = io.NopCloser(io.MultiReader(half, iotest.ErrReader(io.ErrUnexpectedEOF)))
			return resp, nil
		case 3: // duplicate the request
			serve().Body.Close()
		}
		return serve(), nil
	})
	defer f.site.intercept(nil)
	if rapid.IntRange(0, 3).Draw(f.T, "dies") == 0 {
		d.storage.writesLeft, d.storage.after = rapid.IntRange(1, 6).Draw(f.T, "at write"), rapid.Bool().Draw(f.T, "after it")
	}
	talk := rapid.SampledFrom([]func(context.Context) error{d.client.Sync, d.client.Push, d.client.Pull}).Draw(f.T, "talk")
	err := talk(f.ctx)
	d.storage.writesLeft = 0
	f.handleError(d, err)
}

func (f *fleet) crash(*rapid.T) { f.start(f.device()) }

func (f *fleet) wait(*rapid.T) {
	f.site.advance(time.Duration(rapid.SampledFrom([]int{10, 601, 86400}).Draw(f.T, "seconds")) * time.Second)
}

func (f *fleet) restore(t *rapid.T) {
	account, err := f.devices[0].client.Account(f.ctx)
	if err == nil {
		err = f.site.store.StartEpoch(f.ctx, expense.OwnerID(account.ID.String()))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestClient_DevicesConverge runs three devices that write offline, lose responses, crash at any write, wait until
// their tokens expire, and meet a server that has been restored from a backup. In the end all devices agree with the
// server, and each change was applied once. To run more histories:
//
//	go test ./httpapi/client -run DevicesConverge -rapid.checks 1000
func TestClient_DevicesConverge(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newSite(t)
		f := &fleet{T: r, ctx: t.Context(), site: s, expected: map[uuid.UUID]*expectedExpense{}}
		path, kept := filepath.Join(t.TempDir(), "device.db"), client.NewMemoryStorage()
		var file *sqlitestorage.Storage
		inFile := rapid.IntRange(0, 2).Draw(r, "in a file") == 0 // rarely, because each commit syncs the file to disk
		t0 := &fleetDevice{name: "phone", account: true, open: func() client.Storage {
			if !inFile {
				return kept
			}
			var err error
			if file != nil {
				err = file.Close()
			}
			if err == nil {
				file, err = sqlitestorage.Open(t.Context(), path)
			}
			if err != nil {
				r.Fatal(err)
			}
			return file
		}}
		defer func() {
			if file != nil {
				file.Close()
			}
		}()
		f.start(t0)
		var token struct{ Token string }
		err := errors.Join(
			t0.client.Register(f.ctx, client.Registration{Credentials: anna}),
			t0.client.Do(f.ctx, http.MethodPost, "/v1/tokens",
				map[string]any{"name": "fleet", "scopes": []string{"read", "write"}}, &token),
		)
		if err != nil {
			r.Fatal(err)
		}
		f.devices = []*fleetDevice{t0}
		for _, name := range []string{"tablet", "watch"} {
			memory := client.NewMemoryStorage()
			d := &fleetDevice{name: name, open: func() client.Storage { return memory }, options: []client.Option{
				client.WithTokens(client.StaticToken(token.Token)),
			}}
			f.start(d)
			f.devices = append(f.devices, d)
		}
		r.Repeat(map[string]func(*rapid.T){
			"put": f.put, "put more": f.put, "patch": f.patch, "patch more": f.patch, "delete": f.delete, "talk": f.talk,
			"talk more": f.talk, "talk even more": f.talk, "crash": f.crash, "wait": f.wait, "restore": f.restore,
		})
		f.check()
	})
}

func (f *fleet) check() {
	for range 2 {
		for _, d := range f.devices {
			err := d.client.Sync(f.ctx)
			if errors.Is(err, client.ErrSignedOut) {
				f.handleError(d, err)
				err = d.client.Sync(f.ctx)
			}
			if err != nil {
				f.Fatalf("%s, in the end: %v", d.name, err)
			}
		}
	}
	for _, d := range f.devices {
		different, err := d.client.Verify(f.ctx)
		pending, more := d.client.QueuedMutations(f.ctx)
		rejections, most := d.client.Rejections(f.ctx)
		if err := errors.Join(err, more, most); err != nil {
			f.Fatal(err)
		}
		if len(different) > 0 || len(pending) > 0 || len(rejections) > 0 {
			f.Errorf("%s differs in %v, has %d changes to send and %d that were refused", d.name, different, len(pending),
				len(rejections))
		}
	}
	rows, err := f.devices[0].client.Expenses().List(f.ctx)
	if err != nil {
		f.Fatal(err)
	}
	there := map[uuid.UUID]client.Expense{}
	for _, row := range rows {
		there[row.ID] = row
		if f.expected[row.ID] == nil {
			f.Errorf("no device has created %v", row)
		}
	}
	for id, want := range f.expected {
		row, ok := there[id]
		switch {
		case want.unknown:
		case !ok && !want.deleted:
			f.Errorf("expense %s is missing", id)
		case ok && !want.deleted && len(want.writers) == 1 && row.Amount != want.amount:
			f.Errorf("expense %s has the amount %s; the one device that wrote it last said %s", id, row.Amount, want.amount)
		}
	}
}
