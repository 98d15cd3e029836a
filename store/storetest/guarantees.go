package storetest

// The guarantees that the checks cover, as the interfaces document them. A quote begins with the name of the type or
// method whose comment it quotes. TestGuarantees compares the quotes with the comments.
const (
	docStore      = "store.Store: Store stores the ledgers of many owners."
	docConcurrent = "store.Store: It must be safe for concurrent use."
	docOwnerBound = "store.Store: A Reader and a Tx are bound to one owner: a row of another owner " +
		"does not exist for them."
	docOwnerInvalid = "store.Store: Methods must return ErrInvalid for an owner that does not pass " +
		"[expense.OwnerID.Validate]."
	docCreateLedger = "store.Store.CreateLedger: CreateLedger creates owner's ledger with these settings " +
		"and categories, all at version 1. It returns false and changes nothing if the owner has a ledger."
	docEraseLedger = "store.Store.EraseLedger: EraseLedger removes everything that is stored for owner, " +
		"including tombstones and idempotency records. It returns nil if there is nothing."
	docReader = "store.Store.Reader: Reader returns a Reader of owner's ledger. Each call of its " +
		"methods reads what is committed at that time."
	docView = "store.Store.View: View runs fn with a Reader of one consistent snapshot of " +
		"owner's ledger."
	docViewNoBlock = "store.Store.View: It must not block writers."
	docUpdate      = "store.Store.Update: Update runs fn in one transaction that locks owner's ledger: " +
		"either everything that fn wrote is committed, or nothing."
	docUpdateNotFound = "store.Store.Update: It returns ErrNotFound if there is no ledger."
	docUpdateError    = "store.Store.Update: If fn returns an error, Update rolls back and returns that " +
		"error."
	docVersions = "store.Store.Update: Versions must be dense and ascend in commit order: all rows " +
		"that fn writes get the ledger's last version plus one, and an Update that writes no row takes no version."
	docOwners = "store.Store.Owners: Owners yields the owners of all ledgers, ordered by the bytes " +
		"of their ids."
	docPendingOwners = "store.Store.PendingOwners: PendingOwners yields the owners that have a pending " +
		"expense, ordered by the bytes of their ids."
	docBudgetOwners = "store.Store.BudgetOwners: BudgetOwners yields the owners that have a budget, also " +
		"an ended one, ordered by the bytes of their ids."
	docDueOwners = "store.Store.DueOwners: DueOwners yields the owners that have rules which are due " +
		"at now. A rule is due from [recurrence.Rule.DueAt] in the ledger's zone. The order is by DueOwner.Since, then " +
		"by the bytes of the owner's id. An owner appears once for each distinct Since, with the earliest RetryAt of " +
		"the rules that became due then."
	docPutQuotes = "store.Store.PutQuotes: PutQuotes stores published exchange rates, which all " +
		"ledgers share. It must not overwrite a stored quote. It returns the quotes whose value differs from the stored " +
		"one."
	docQuotes = "store.Store.Quotes: Quotes yields the stored quotes of a source that are not " +
		"dated before from, ordered by date and currency code."
	docStartEpoch = "store.Store.StartEpoch: StartEpoch replaces the state of owner's ledger with its " +
		"[State.NextEpoch], and changes no row. Call it after a ledger was restored from a backup. It returns " +
		"ErrNotFound if there is no ledger."
	docPurge = "store.Store.Purge: Purge removes, in all ledgers, idempotency records of " +
		"RetentionRequests created before requestsBefore, and tombstones and records of RetentionTombstones created " +
		"before tombstonesBefore."
	docPurgeDerived = "store.Store.Purge: It must keep tombstones whose id is a UUID of version 5: such " +
		"an id is derived, for example from a rule and a date, so a later row could get the same id."
	docPurgedThrough = "store.Store.Purge: Purge raises State.PurgedThrough to the highest version of a " +
		"purged tombstone."
	docPing = "store.Store.Ping: Ping returns nil if the database can be reached and has the " +
		"schema that this release needs."
	docRoleReader = "store.Reader: Reader reads one owner's ledger."
	docState      = "store.Reader.State: State returns the state of the ledger, or ErrNotFound if the " +
		"owner has none."
	docChanges = "store.Reader.Changes: Changes returns the part of the change feed that query " +
		"selects, in the order of FeedPosition: each row in its latest state, and each tombstone."
	docChangesSnapshot = "store.Reader.Changes: The result must be a consistent snapshot. Rows that are " +
		"committed later must have positions after those of the result."
	docTx     = "store.Tx: Tx reads and writes one owner's ledger inside Update."
	docRecord = "store.Tx.IdempotencyRecord: IdempotencyRecord returns the record stored under " +
		"key, or ErrNotFound."
	docRecordLocked = "store.Tx.IdempotencyRecord: It must read the record after the ledger is locked, " +
		"so that it sees what a concurrent Update with the same key has committed."
	docPutRecord = "store.Tx.PutIdempotencyRecord: PutIdempotencyRecord stores a record in this " +
		"transaction, or returns ErrExists if its key has one. It takes no version."

	docSettings = "expense.Reader.Settings: Settings returns the ledger's settings. It returns " +
		"ErrNotFound if the owner has no ledger."
	docCategory = "expense.Reader.Category: Category returns a category. It returns ErrNotFound if " +
		"the id is unknown and ErrGone if the category was deleted or merged."
	docCategoryByName = "expense.Reader.CategoryByName: CategoryByName returns the category whose folded " +
		"name equals Fold(name). It returns ErrNotFound if there is none."
	docMergedInto = "expense.Reader.MergedInto: MergedInto returns the id of the category into which " +
		"the deleted category with this id was merged, or Nil if it was " +
		"deleted without a merge. It returns ErrNotFound if there is no tombstone with this id."
	docCategories = "expense.Reader.Categories: Categories returns all categories, including archived " +
		"ones, ordered by the bytes of their folded names."
	docExpense = "expense.Reader.Expense: Expense returns an expense. It returns ErrNotFound if the " +
		"id is unknown and ErrGone if the expense was deleted."
	docKnown = "expense.Reader.KnownExpenseIDs: KnownExpenseIDs returns the ids that belong to an " +
		"expense or to the tombstone of one."
	docExpenses = "expense.Reader.Expenses: Expenses yields the expenses that query selects, each " +
		"once, in the query's order."
	docExpensesError = "expense.Reader.Expenses: After it yields an error, it ends."
	docRowsClosed    = "expense.Reader.Expenses: It keeps no database cursor open while it yields, so the " +
		"loop body may call the store."
	docTotals = "expense.Reader.Totals: Totals returns the sums of the expenses of each range, by " +
		"period, category and original currency. They are ordered by range, period, category id and currency code. There " +
		"is no Total for a period without expenses."
	docTotalsEqual = "expense.Reader.Totals: The totals always equal the sums over the expenses that " +
		"Expenses yields."
	docCreate = "expense.Tx: A method that writes compares the Version of each given row with the " +
		"stored row: - Version 0 creates a row. The method returns ErrExists if a row has the id, and ErrGone if a " +
		"deleted row had it."
	docCompare = "expense.Tx: - Any other Version must be the version of the stored row. The method " +
		"returns ErrStale, as a [StaleError], if it is not, and ErrNotFound or ErrGone if there is no row."
	docRejected = "expense.Tx: A method that returns ErrNotFound, ErrGone, ErrExists, ErrStale, " +
		"ErrInUse or ErrInvalid changed no row, and the Tx stays usable."
	docVersionReturned = "expense.Tx: A method that writes returns the version of the Update. All rows that " +
		"the Update writes get this version."
	docReadsWrites = "expense.Tx: Reads see the earlier writes of the same Update."
	docPutSettings = "expense.Tx.PutSettings: PutSettings replaces the settings. The default category " +
		"must exist."
	docPutCategories = "expense.Tx.PutCategories: PutCategories writes categories. It returns ErrExists " +
		"also if another category of the ledger has the name."
	docPutCategoriesRules = "expense.Tx.PutCategories: It clears the failures of the recurring rules of these " +
		"categories, because a category may have caused them. Posting of these rules is then retried without a " +
		"delay. These rules get the Update's version."
	docDeleteCategory = "expense.Tx.DeleteCategory: DeleteCategory deletes a category and leaves a " +
		"tombstone. It returns ErrInUse if an expense, a rule, a budget or the settings refer to the category. A budget " +
		"refers to a category also by its MergedInto."
	docMerge = "expense.Tx.MergeCategory: MergeCategory merges the category source into the " +
		"category target, as of the given month: - It moves all expenses and rules."
	docMergeMoves = "expense.Tx.MergeCategory: The moved rows get the Update's version and keep their " +
		"Guard."
	docMergeBudgets = "expense.Tx.MergeCategory: - It ends the budget of source in the month before the " +
		"given one. If that budget has ended earlier, it keeps its end. If it begins in the given month or later, " +
		"MergeCategory deletes it. A " +
		"budget that is not deleted gets the name of source as its MergedName, and target as its MergedInto. - Budgets " +
		"whose MergedInto is source get target as their MergedInto."
	docMergeTombstone = "expense.Tx.MergeCategory: - It deletes source and leaves a tombstone that refers to " +
		"target; see [Reader.MergedInto]."
	docMergeRules = "expense.Tx.MergeCategory: - It clears the failures of the rules of target, " +
		"including the moved ones. These rules get the Update's version."
	docPutExpenses = "expense.Tx.PutExpenses: PutExpenses writes expenses. It sets the Guard of an " +
		"expense to the Update's version if a guarded field changed."
	docVolume = "expense.Tx.PutExpenses: It returns ErrTotalTooLarge, an ErrInvalid, if the sum of " +
		"[Expense.Volume] over the ledger would exceed MaxMinor."
	docDistinctIDs = "expense.Tx.PutExpenses: The ids of one call must be distinct. If a category does not exist, " +
		"PutExpenses returns an error, and the Update fails even if the caller ignores the error."
	docDeleteExpenses = "expense.Tx.DeleteExpenses: DeleteExpenses deletes expenses and leaves tombstones. " +
		"It returns ErrNotFound or ErrGone if one of them does not exist."

	docSnapshot = "budget.Reader.BudgetSnapshot: BudgetSnapshot returns a consistent Snapshot of the " +
		"ledger. It returns ErrNotFound if the owner has no ledger."
	docBudget = "budget.Reader.Budget: Budget returns the budget with this id. It returns ErrNotFound if the " +
		"id is unknown and ErrGone if the budget was deleted."
	docBudgetTotals = "budget.Reader.Totals: Totals is the method of [expense.Reader]."
	docAlerts       = "budget.Reader.Alerts: Alerts returns the alerts of all months that are not before from. A " +
		"zero from selects all alerts. The alerts are ordered by month, then by the time they were raised, both " +
		"descending, then by the bytes of their ids, ascending."
	docBudgetTx   = "budget.Tx: The guarantees of [expense.Tx] hold for its methods too."
	docPutBudgets = "budget.Tx.PutBudgets: PutBudgets writes budgets with all their entries. It also " +
		"returns ErrExists if another budget has the same category."
	docDeleteBudget = "budget.Tx.DeleteBudget: DeleteBudget deletes a budget and leaves a tombstone."
	docHasBudgets   = "budget.Tx.HasBudgets: HasBudgets reports whether the ledger has a budget, " +
		"including the writes of this Update so far."
	docPutAlerts = "budget.Tx.PutAlerts: PutAlerts writes alerts. An alert is only deleted together " +
		"with its ledger, so PutAlerts never returns ErrGone."

	docRule = "recurrence.Reader.Rule: Rule returns the rule with this id. It returns ErrNotFound if the id is " +
		"unknown and ErrGone if the rule was deleted."
	docRules    = "recurrence.Reader.Rules: Rules returns all rules, ordered by the bytes of their ids."
	docRuleTx   = "recurrence.Tx: The guarantees of [expense.Tx] hold for its methods too."
	docPutRules = "recurrence.Tx.PutRules: PutRules writes rules. If the ledger has no category with " +
		"a rule's CategoryID, the whole Update fails."
	docDeleteRule = "recurrence.Tx.DeleteRule: DeleteRule deletes a rule and leaves a tombstone. The " +
		"expenses that the rule posted stay and keep its id."
)
