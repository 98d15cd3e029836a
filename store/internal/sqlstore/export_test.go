package sqlstore

// DueOwners returns the statement that finds owners with due rules. If numbered is true, its placeholders are those of
// PostgreSQL.
func DueOwners(numbered bool) string { return (&Dialect{Numbered: numbered}).numbered(selectDue) }
