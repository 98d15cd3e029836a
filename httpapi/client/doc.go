// Package client is a device of a SpendWise ledger: it signs in, keeps a copy of the ledger and a queue of the changes that were
// made here, and brings both together with the server whenever there is one to reach. Reading and writing need no network; what
// was written is in the [Storage] before the call returns, reaches the server exactly once, and where it contradicts what came
// first a person decides.
//
//	storage, err := sqlitestorage.Open(ctx, "device.db")
//	c, err := client.New("https://ledger.example.com", client.WithStorage(storage))
//	err = c.Login(ctx, client.Credentials{Email: "anna@example.com", Password: password, DeviceName: "phone"})
//	lunch, err := c.Expenses().Put(ctx, client.ExpenseDraft{Amount: "12.50", Category: "Food"}) // there at once, offline too
//	err = c.Run(ctx)                                                                            // in sync until ctx ends
package client
