package client_test

import (
	"context"
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
	ctx, url, folder := context.Background(), exampleServer(), exampleFolder()
	defer os.RemoveAll(folder)

	storage, err := sqlitestorage.Open(ctx, filepath.Join(folder, "device.db"))
	check(err)
	defer storage.Close()
	phone, err := client.New(url, client.WithStorage(storage), client.WithConflictHandler(
		func(_ context.Context, c client.Conflict) client.Decision {
			var mine, theirs client.Expense
			if c.LocalRow(&mine) == nil && c.ServerRow(&theirs) == nil && mine.Amount == theirs.Amount {
				return client.KeepServer()
			}
			return client.Decision{} // phone.Conflicts lists it for the user to decide
		}))
	check(err)
	check(phone.Register(ctx, client.Registration{Credentials: client.Credentials{
		Email: "anna@example.com", Password: "nine purple otters knitting", DeviceName: "phone",
	}}))
	check(phone.Sync(ctx))

	// Put needs no network: the change is stored when it returns.
	lunch, err := phone.Expenses().Put(ctx, client.ExpenseDraft{Amount: "12.50", Date: "2026-03-08", Category: "Food"})
	check(err)
	fmt.Println(lunch.Amount, lunch.Currency, "unacknowledged:", lunch.Unacknowledged)

	check(phone.Sync(ctx)) // or Run(ctx), which synchronises until ctx ends
	lunch, err = phone.Expenses().Get(ctx, lunch.ID)
	check(err)
	fmt.Println(lunch.Amount, lunch.Currency, "unacknowledged:", lunch.Unacknowledged)
	// Output:
	// 12.50 EUR unacknowledged: true
	// 12.50 EUR unacknowledged: false
}

func exampleServer() string {
	ledgers := memstore.New()
	settings, err := expense.NewSettings(expense.SettingsDraft{HomeCurrency: new("EUR")})
	check(err)
	users := auth.NewUsers(memstore.NewAccounts(), ledgers, settings, nil)
	service, err := auth.New(context.Background(), users, auth.Config{KEK: make([]byte, auth.KEKSize)})
	check(err)
	api, err := httpapi.New(ledgers, httpapi.Config{Accounts: service})
	check(err)
	return httptest.NewServer(api).URL
}

func exampleFolder() string {
	folder, err := os.MkdirTemp("", "device")
	check(err)
	return folder
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
