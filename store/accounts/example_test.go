package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/memstore"
)

func Example() {
	ctx := context.Background()
	var st accounts.Store = memstore.NewAccounts()
	ada := accounts.Account{
		ID: uuid.New(), Email: "Ada@example.org", PasswordHash: "$argon2id$…", CreatedAt: expense.Timestamp(time.Now()),
	}
	if err := st.CreateAccount(ctx, ada); err != nil {
		log.Fatal(err)
	}
	ada.ID, ada.Email = uuid.New(), "ada@EXAMPLE.org"
	if err := st.CreateAccount(ctx, ada); errors.Is(err, expense.ErrExists) {
		fmt.Println("an account with this address exists")
	} else if err != nil {
		log.Fatal(err)
	}
	// Output: an account with this address exists
}
