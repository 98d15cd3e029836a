package sqlstore

import "github.com/spendwise/spendwise/store/internal/sqldb"

// DueOwners returns the statement that finds owners with due rules. If numbered is true, its placeholders are those of
// PostgreSQL.
func DueOwners(numbered bool) string { return (&sqldb.Dialect{Numbered: numbered}).Renumber(selectDue) }
