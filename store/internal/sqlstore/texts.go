package sqlstore

import (
	"fmt"
	"strings"
	"sync"

	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// texts holds the texts of the hot statements.
type texts struct {
	db      *bun.DB // builds texts; it runs nothing
	dialect *sqldb.Dialect

	ledger         string // args: owner
	lockLedger     string // args: owner
	category       string // args: owner, id
	categoryByName string // args: owner, folded name
	categories     string // args: owner
	expense        string // args: owner, id
	expensesByID   string // args: ids, owner
	knownExpenses  string // args: ids, owner, owner
	deleted        string // args: ids, owner, type
	snapshot       string // args: owner, four times
	alerts         string // args: owner, month
	record         string // args: owner, scope, key
	positions      string // args: owner, six times

	addExpense       string // args: an expenseRow, owner, id; a totalRow and those of updateLedger if the dialect combines
	putExpenses      sqldb.Insertion
	insertTombstones sqldb.Insertion
	addTotals        sqldb.Insertion
	insertRecords    sqldb.Insertion
	// Parts of a write. They have ? as placeholders.
	updateLedger   string // args: version, volume, budgets, owner
	deleteExpenses string // args: owner, ids

	feed  feedTexts
	lists *sync.Map // conditions and order of a list → its text
}

func newTexts(d *sqldb.Dialect, db *bun.DB) texts {
	t := texts{db: db, dialect: d, lists: &sync.Map{}}
	text := func(query *bun.SelectQuery) string { return d.Renumber(query.String()) }

	ledger := func() *bun.SelectQuery {
		return db.NewSelect().Model((*ledgerRow)(nil)).Where("l.owner = ?", sqldb.Slot)
	}
	t.ledger, t.lockLedger = text(ledger()), text(d.Locking(ledger()))
	category := func() *bun.SelectQuery {
		return db.NewSelect().Model((*categoryRow)(nil)).Where("c.owner = ?", sqldb.Slot)
	}
	t.category = text(category().Where("c.id = ?", sqldb.Slot))
	t.categoryByName = text(category().Where("c.name_key = ?", sqldb.Slot))
	t.categories = text(category().Order("c.name_key"))
	t.expense = text(db.NewSelect().Model((*expenseRow)(nil)).Where("x.owner = ? AND x.id = ?", sqldb.Slot, sqldb.Slot))
	t.expensesByID = text(db.NewSelect().Model((*expenseRow)(nil)).ModelTableExpr(d.IDTable + " " +
		fmt.Sprintf(d.IDLookup, "spendwise_expenses", "x.owner = ? AND x.id = e.value")))
	t.deleted = d.Renumber(`SELECT e.value AS id FROM ` + d.IDTable + ` WHERE EXISTS (
		SELECT 1 FROM spendwise_tombstones t WHERE t.owner = ? AND t.type = ? AND t.id = e.value LIMIT 1 OFFSET 0)`)
	// LIMIT and OFFSET make the engine look up each id, instead of reading the whole ledger.
	t.knownExpenses = d.Renumber(`SELECT e.value AS id FROM ` + d.IDTable + ` WHERE
		EXISTS (SELECT 1 FROM spendwise_expenses x WHERE x.owner = ? AND x.id = e.value LIMIT 1 OFFSET 0) OR
		EXISTS (SELECT 1 FROM spendwise_tombstones t WHERE t.owner = ? AND t.type = 'expense' AND t.id = e.value
			LIMIT 1 OFFSET 0)`)
	t.snapshot = d.Renumber(selectSnapshot)
	t.positions = d.Renumber(selectPositions)
	t.alerts = text(db.NewSelect().Model((*alertRow)(nil)).Where("a.owner = ? AND a.month >= ?", sqldb.Slot, sqldb.Slot).
		OrderExpr("a.month DESC, a.raised_at DESC, a.id"))
	t.record = text(db.NewSelect().Model((*recordRow)(nil)).
		Where("r.owner = ? AND r.scope = ? AND r.key = ?", sqldb.Slot, sqldb.Slot, sqldb.Slot))

	t.putExpenses = sqldb.InsertionOf[expenseRow](db, sqldb.UpdateAll[expenseRow](db, "owner, id"))
	t.insertTombstones = sqldb.InsertionOf[tombstoneRow](db, "")
	t.addTotals = sqldb.InsertionOf[totalRow](db, addToTotal)
	t.insertRecords = sqldb.InsertionOf[recordRow](db, "")
	t.updateLedger = `UPDATE spendwise_ledgers SET version = ?, volume = ?, budgets = ? WHERE owner = ?`
	t.deleteExpenses = `DELETE FROM spendwise_expenses WHERE owner = ? AND id IN (SELECT e.value FROM ` + d.IDTable + `)`
	t.addExpense = d.Renumber(t.addExpenseText())
	t.feed = newFeedTexts(d, db)
	return t
}

// addExpenseText returns the statement that inserts an expense, unless an expense or a tombstone has its id. If the
// dialect combines, it also changes the total of the expense and the ledger's row, and the number of changed rows is 0
// if the expense is not inserted.
func (t *texts) addExpenseText() string {
	add := t.putExpenses.Target + "SELECT " + placeholders(len(t.putExpenses.Columns)) + ` WHERE NOT EXISTS (
		SELECT 1 FROM spendwise_tombstones WHERE owner = ? AND type = 'expense' AND id = ?)
		ON CONFLICT (owner, id) DO NOTHING`
	if !t.dialect.Combine {
		return add
	}
	return "WITH added AS (" + add + " RETURNING id), total AS (" + t.addTotals.Target + "SELECT " +
		placeholders(len(t.addTotals.Columns)) + " FROM added" + t.addTotals.OnTaken + ") " + t.updateLedger +
		" AND EXISTS (SELECT 1 FROM added)"
}

func placeholders(n int) string { return strings.Repeat("?, ", n-1) + "?" }
