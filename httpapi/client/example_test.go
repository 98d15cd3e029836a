package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/client"
	"github.com/spendwise/spendwise/httpapi/client/sqlitestorage"
	"github.com/spendwise/spendwise/store/memstore"
)

// A device writes while it is offline and synchronises later.
func Example() {
	if err := runPhone(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 12.50 EUR unacknowledged: true
	// 12.50 EUR unacknowledged: false
}

func runPhone(ctx context.Context) (err error) {
	server, err := newExampleServer(ctx)
	if err != nil {
		return err
	}
	defer server.Close()
	url := server.URL
	folder, err := os.MkdirTemp("", "device")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()

	storage, err := sqlitestorage.Open(ctx, filepath.Join(folder, "device.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, storage.Close()) }()
	phone, err := client.New(url, client.WithStorage(storage), client.WithConflictHandler(
		func(_ context.Context, c client.Conflict) client.Decision {
			var mine, theirs client.Expense
			if c.LocalRow(&mine) == nil && c.ServerRow(&theirs) == nil && mine.Amount == theirs.Amount {
				return client.KeepServer()
			}
			return client.Decision{} // phone.Conflicts lists it for the user to decide
		}))
	if err != nil {
		return err
	}
	err = phone.Register(ctx, client.Registration{Credentials: client.Credentials{
		Email: "anna@example.com", Password: "nine purple otters knitting", DeviceName: "phone",
	}})
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if err := phone.Sync(ctx); err != nil {
		return fmt.Errorf("first sync: %w", err)
	}

	// Put needs no network: the change is stored when it returns.
	lunch, err := phone.Expenses().Put(ctx, client.ExpenseDraft{Amount: "12.50", Date: "2026-03-08", Category: "Food"})
	if err != nil {
		return fmt.Errorf("add an expense: %w", err)
	}
	fmt.Println(lunch.Amount, lunch.Currency, "unacknowledged:", lunch.Unacknowledged)

	if err := phone.Sync(ctx); err != nil { // or Run(ctx), which synchronises until ctx ends
		return fmt.Errorf("sync: %w", err)
	}
	lunch, err = phone.Expenses().Get(ctx, lunch.ID)
	if err != nil {
		return err
	}
	fmt.Println(lunch.Amount, lunch.Currency, "unacknowledged:", lunch.Unacknowledged)
	return nil
}

// newExampleServer starts a server for the example.
func newExampleServer(ctx context.Context) (*httptest.Server, error) {
	settings, err := expense.NewSettings(expense.SettingsDraft{HomeCurrency: new("EUR")})
	if err != nil {
		return nil, err
	}
	ledgers := memstore.New()
	users := auth.NewUsers(memstore.NewAccounts(), ledgers, settings, nil)
	service, err := auth.New(ctx, users, auth.Config{KEK: make([]byte, auth.KEKSize)})
	if err != nil {
		return nil, err
	}
	api, err := httpapi.New(ledgers, httpapi.Config{Accounts: service})
	if err != nil {
		return nil, err
	}
	return httptest.NewServer(api), nil
}
