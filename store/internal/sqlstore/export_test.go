package sqlstore

// DueOwners is the statement that finds whose rules are due.
const DueOwners = dueOwners
