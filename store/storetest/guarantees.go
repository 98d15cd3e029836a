package storetest

// The guarantees that the checks cover, as the interfaces document them. A quote begins with the name of the type or
// method whose comment it quotes. TestGuarantees compares the quotes with the comments.
const (
	docStore      = "store.Store: Store keeps the ledgers of many owners."
	docConcurrent = "store.Store: It is safe for concurrent use."
	docOwnerBound = "store.Store: An owner's id is bound when a Reader or Tx is made, so no " +
		"method reaches another owner's row: a row of another owner does not exist."
	docOwnerInvalid = "store.Store: An id that breaks [expense.OwnerID.Validate] is " +
		"ErrInvalid."
	docCreateLedger = "store.Store.CreateLedger: CreateLedger makes owner's ledger with " +
		"these settings and categories, all at version 1, and reports whether it did: a ledger that is there " +
		"stays as it is."
	docEraseLedger = "store.Store.EraseLedger: EraseLedger removes everything that is kept " +
		"of owner, tombstones and answers too; that there is nothing is no error."
	docReader = "store.Store.Reader: Reader reads owner's ledger; each call sees what is " +
		"committed at that time."
	docView        = "store.Store.View: View runs fn over one consistent snapshot of owner's ledger."
	docViewNoBlock = "store.Store.View: It blocks no writer."
	docUpdate      = "store.Store.Update: Update runs fn in one transaction that holds owner's " +
		"ledger alone: all of it happens or nothing does."
	docUpdateNotFound = "store.Store.Update: ErrNotFound if there is no ledger."
	docUpdateError    = "store.Store.Update: An error from fn undoes everything and is returned."
	docVersions       = "store.Store.Update: Versions are dense and rise in commit order: every " +
		"row written carries the ledger's last version and one more; an Update that writes no row of the ledger " +
		"takes none."
	docOwners = "store.Store.Owners: Owners yields every owner that has a ledger, in the " +
		"order of their ids, byte by byte."
	docPendingOwners = "store.Store.PendingOwners: PendingOwners yields every owner with an " +
		"expense that waits for a rate, in the order of their ids."
	docBudgetOwners = "store.Store.BudgetOwners: BudgetOwners yields every owner with a " +
		"budget, ended or not, with the version of the ledger, in the order of their ids."
	docDueOwners = "store.Store.DueOwners: DueOwners yields whose rules are due at now, by " +
		"[recurrence.Rule.DueAt] in the zone of their ledger, and since when: the oldest first, then in the " +
		"order of their ids; an owner whose rules fell due at several instants comes once for each, with the " +
		"earliest RetryAt of the rules due since then."
	docPutQuotes = "store.Store.PutQuotes: PutQuotes keeps published prices for all ledgers. " +
		"A price that is kept already is never overwritten: the returned ones differ from what is kept, as " +
		"their source published them."
	docQuotes = "store.Store.Quotes: Quotes yields the kept prices of source from the day " +
		"from on, ordered by date and currency code."
	docStartEpoch = "store.Store.StartEpoch: StartEpoch begins a new epoch of owner's " +
		"ledger, as one needs that was restored from a backup: its state becomes what [State.NextEpoch] makes " +
		"of it now, and no row changes. ErrNotFound if there is no ledger."
	docPurge = "store.Store.Purge: Purge removes, in all ledgers, idempotency records of " +
		"RetentionRequests created before requests, and tombstones and records of RetentionTombstones created " +
		"before tombstones."
	docPurgeDerived = "store.Store.Purge: It must keep tombstones whose id is a UUID of " +
		"version 5: such an id is derived from what it stands for, so the same id would be made again."
	docPurgedThrough = "store.Store.Purge: State.PurgedThrough rises to the highest version " +
		"of a purged tombstone."
	docPing = "store.Store.Ping: Ping returns nil when the store answers and its schema is " +
		"the one that this release needs."
	docRoleReader = "store.Reader: Reader reads one owner's ledger."
	docState      = "store.Reader.State: State returns where the ledger stands; ErrNotFound if " +
		"the owner has no ledger."
	docChanges = "store.Reader.Changes: Changes returns the rows and the tombstones after a " +
		"place, each row in its latest state, in the order of their places."
	docChangesSnapshot = "store.Reader.Changes: What it returns is of one moment, and " +
		"whatever is committed later comes after it."
	docTx     = "store.Tx: Tx reads and writes one owner's ledger inside Update."
	docRecord = "store.Tx.IdempotencyRecord: IdempotencyRecord returns the record stored " +
		"under key, or ErrNotFound."
	docRecordLocked = "store.Tx.IdempotencyRecord: It must read the record after the ledger " +
		"is locked, so that it sees what a concurrent Update with the same key has committed."
	docPutRecord = "store.Tx.PutIdempotencyRecord: PutIdempotencyRecord stores a record in " +
		"this transaction, or returns ErrExists if its key has one. It takes no version."

	docSettings = "expense.Reader.Settings: Settings returns the ledger's settings. It " +
		"returns ErrNotFound if the owner has no ledger."
	docCategory = "expense.Reader.Category: Category returns a category. It returns " +
		"ErrNotFound if the id is unknown and ErrGone if the category was deleted or merged."
	docCategoryByName = "expense.Reader.CategoryByName: CategoryByName returns the category " +
		"whose name is equal by Fold. It returns ErrNotFound if there is none."
	docMergedInto = "expense.Reader.MergedInto: MergedInto returns the id of the category " +
		"into which the deleted category id was merged, or Nil if it was deleted without a merge. It returns " +
		"ErrNotFound if there is no tombstone of id."
	docCategories = "expense.Reader.Categories: Categories returns all categories, including " +
		"archived ones, ordered by the bytes of their folded names."
	docExpense = "expense.Reader.Expense: Expense returns an expense. It returns ErrNotFound " +
		"if the id is unknown and ErrGone if the expense was deleted."
	docKnown = "expense.Reader.KnownExpenseIDs: KnownExpenseIDs returns the ids that belong " +
		"to an expense or to the tombstone of one."
	docExpenses = "expense.Reader.Expenses: Expenses yields the expenses that query selects, " +
		"each once, in the query's order."
	docExpensesError = "expense.Reader.Expenses: After it yields an error, it ends."
	docRowsClosed    = "expense.Reader.Expenses: It holds no database rows open while it " +
		"yields: the loop's body may use the store."
	docTotals = "expense.Reader.Totals: Totals returns the sums of the expenses of each " +
		"range, by period, category and original currency. They are ordered by range, period, category id and " +
		"currency code. There is no Total for a period without expenses."
	docTotalsEqual = "expense.Reader.Totals: The totals always equal the sums over the " +
		"expenses that Expenses yields."
	docCreate = "expense.Tx: A write compares the Version of each row that it gets: - " +
		"Version 0 creates a row. The method returns ErrExists if a row has the id, and ErrGone if a deleted " +
		"row had it."
	docCompare = "expense.Tx: - Any other Version must be the version of the stored row. The " +
		"method returns ErrStale, as a [StaleError], if it is not, and ErrNotFound or ErrGone if there is no " +
		"row."
	docRejected = "expense.Tx: A method that returns ErrNotFound, ErrGone, ErrExists, " +
		"ErrStale, ErrInUse or ErrInvalid changed no row, and the Tx stays usable."
	docVersionReturned = "expense.Tx: The returned Version is the Update's, which all " +
		"written rows carry."
	docReadsWrites = "expense.Tx: Reads see the earlier writes of the same Update."
	docPutSettings = "expense.Tx.PutSettings: PutSettings replaces the settings. The default " +
		"category must exist."
	docPutCategories = "expense.Tx.PutCategories: PutCategories writes categories. It " +
		"returns ErrExists also if another category of the ledger has the name."
	docPutCategoriesRules = "expense.Tx.PutCategories: It clears the failure state of failed " +
		"recurring rules of these categories, so that they are posted again: the category may have been the " +
		"reason of the failure. Such rules get the Update's version."
	docDeleteCategory = "expense.Tx.DeleteCategory: DeleteCategory deletes a category and " +
		"leaves a tombstone. It returns ErrInUse if an expense, a rule, a budget or the settings refer to the " +
		"category. A budget refers to a category also by its MergedInto."
	docMerge = "expense.Tx.MergeCategory: MergeCategory merges the category from into the " +
		"category into: - It moves all expenses and rules."
	docMergeMoves = "expense.Tx.MergeCategory: The moved rows get the Update's version and " +
		"keep their Guard."
	docMergeBudgets = "expense.Tx.MergeCategory: - It ends from's budget with the month " +
		"before month. It deletes a budget that begins in month or later. A budget that ended before keeps its " +
		"end. The remaining budget gets from's name as its MergedName and into as its MergedInto. - Budgets " +
		"whose MergedInto is from get into as their MergedInto."
	docMergeTombstone = "expense.Tx.MergeCategory: - It deletes from and leaves a tombstone " +
		"that refers to into; see [Reader.MergedInto]."
	docMergeRules = "expense.Tx.MergeCategory: - It clears the failure state of failed rules " +
		"of into, moved or not. They get the Update's version."
	docPutExpenses = "expense.Tx.PutExpenses: PutExpenses writes expenses. It sets the Guard " +
		"of an expense to the Update's version if a guarded field changed."
	docVolume = "expense.Tx.PutExpenses: It returns ErrTotalTooLarge, an ErrInvalid, if the " +
		"sum of the volumes of the ledger's expenses would exceed MaxMinor."
	docDistinctIDs = "expense.Tx.PutExpenses: The ids of one call must be distinct. If a " +
		"category does not exist, PutExpenses returns an error that makes the Update fail."
	docDeleteExpenses = "expense.Tx.DeleteExpenses: DeleteExpenses deletes expenses and " +
		"leaves tombstones. It returns ErrNotFound or ErrGone if one of them does not exist."

	docSnapshot = "budget.Reader.BudgetSnapshot: BudgetSnapshot returns a consistent " +
		"Snapshot of the ledger; ErrNotFound if the owner has no ledger."
	docBudget = "budget.Reader.Budget: Budget returns the budget with this id; ErrNotFound " +
		"if it never existed, ErrGone if it was deleted."
	docBudgetTotals = "budget.Reader.Totals: Totals is the method of [expense.Reader]."
	docAlerts       = "budget.Reader.Alerts: Alerts returns the alerts of the month from and later " +
		"months, or all alerts for the zero Month. They are ordered by month, then by the time they were " +
		"raised, both descending, then by the bytes of their ids, ascending."
	docBudgetTx   = "budget.Tx: The guarantees of [expense.Tx] hold for its methods too."
	docPutBudgets = "budget.Tx.PutBudgets: PutBudgets writes budgets with all their entries. " +
		"It also returns ErrExists if another budget has the same category."
	docDeleteBudget = "budget.Tx.DeleteBudget: DeleteBudget deletes a budget and leaves a " +
		"tombstone."
	docHasBudgets = "budget.Tx.HasBudgets: HasBudgets reports whether the ledger has a " +
		"budget, including the writes of this Update so far."
	docPutAlerts = "budget.Tx.PutAlerts: PutAlerts writes alerts. An alert is only deleted " +
		"together with its ledger, so PutAlerts never returns ErrGone."

	docRule = "recurrence.Reader.Rule: Rule returns the rule with this id; ErrNotFound if it " +
		"never existed, ErrGone if it was deleted."
	docRules = "recurrence.Reader.Rules: Rules returns all rules, ordered by the bytes of " +
		"their ids."
	docRuleTx   = "recurrence.Tx: The guarantees of [expense.Tx] hold for its methods too."
	docPutRules = "recurrence.Tx.PutRules: PutRules writes rules. If the ledger has no " +
		"category with a rule's CategoryID, the whole Update fails."
	docDeleteRule = "recurrence.Tx.DeleteRule: DeleteRule deletes a rule and leaves a " +
		"tombstone. The expenses that the rule posted stay and keep its id."
)
