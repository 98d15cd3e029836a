// Package client is an offline-first client of the SpendWise API. It signs in, keeps a local copy of one ledger, queues
// changes made on the device, and synchronises both with the server. Reads and writes need no network.
//
//	storage, err := sqlitestorage.Open(ctx, "device.db")
//	c, err := client.New("https://ledger.example.com", client.WithStorage(storage))
//	err = c.Login(ctx, client.Credentials{Email: "anna@example.com", Password: password, DeviceName: "phone"})
//	lunch, err := c.Expenses().Put(ctx, client.ExpenseDraft{Amount: "12.50", Category: "Food"})
//	err = c.Run(ctx) // synchronises until ctx ends
//
// # Local copy
//
// The [Storage] holds the rows of the ledger as the server last sent them. Only a pull changes them. [Client.Expenses],
// [Client.Categories], [Client.Budgets], [Client.Rules], [Client.Settings] and [Client.Alerts] return these rows with
// the queued changes applied. Rows that show a change the server has not acknowledged have Unacknowledged set.
//
// # Queue of mutations
//
// A write adds a [Mutation] to the queue and returns once the Storage has stored it. A mutation carries the base
// version: the version of the row that the user saw when making the change. If the user saw the row with an earlier
// mutation of this device that has no result yet, the new mutation carries the id of the earlier one instead.
// [Client.QueuedMutations] lists the queue.
//
// # Push
//
// [Client.Push] sends the queue in order and in batches. If a request gets no response, Push sends the mutations of the
// request again with the same ids and contents. If the server has already applied them, it replays the stored results.
// Therefore every mutation is applied at most once. A mutation in a batch ends in one of three states:
//
//   - acknowledged: the server has applied it, merged it, or found nothing to change;
//   - conflicted: another device has changed the row since the base version, and nothing was applied;
//   - rejected: the server refuses it permanently, for example because its category does not exist.
//
// # Pull
//
// [Client.Pull] reads the change feed from the stored cursor, page by page, and stores each page together with its
// cursor. When the server no longer accepts the cursor, because old changes were purged or the ledger was restored from
// a backup, the client performs a full pull: it reads all rows again and then deletes the local rows that the server
// did not send. Queued mutations are kept.
//
// # Conflicts and rejections
//
// A conflict needs a [Decision]: [KeepServer], [KeepLocal] or [KeepEdited]. It comes from the function given to
// [WithConflictHandler], or later from [Client.ResolveConflict]; [Client.Conflicts] lists the undecided ones. A
// rejected mutation no longer shows in the rows and stays in [Client.Rejections] until [Client.DismissRejection].
//
// # Digest
//
// [Client.Verify] compares the local copy with the server's digest: the number of rows of each type and a hash of their
// ids and versions. If they differ, [Client.RequestFullPull] repairs the copy.
//
// # Events
//
// [Client.Events] reads the server-sent events that announce new changes. An event does not contain the changes.
// [Client.Run] uses events to pull early and also pulls at a fixed interval, so no change is missed while events are
// unavailable.
//
// # Storage
//
// [MemoryStorage] and the package sqlitestorage implement [Storage]. The package storagetest checks other
// implementations. Several processes may share a Storage without further coordination.
package client
