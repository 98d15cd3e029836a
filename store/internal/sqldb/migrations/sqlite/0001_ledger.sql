-- The tables of ledgers.
--
-- The owner is the first column of every key and index, as on PostgreSQL. Exceptions are the indexes that find rows of
-- all owners: due rules and expired rows. Ids are 16 bytes. Amounts are in minor units. Dates and months are their
-- digits, YYYYMMDD and YYYYMM; 0 is no date. Times are microseconds since 1970.
--
-- The tables have no rowid: each is one B-tree, ordered by its primary key. Each index is one more B-tree, which every
-- write must change. Expenses are ordered by date, because most queries select dates.

CREATE TABLE spendwise_ledgers (
    owner             text NOT NULL,
    home              text NOT NULL,
    zone              text NOT NULL,
    locale            text NOT NULL,
    fiscal_year_start integer NOT NULL,
    default_category  blob NOT NULL,
    settings_version  integer NOT NULL,
    version           integer NOT NULL, -- of the last Update that wrote a row
    epoch             integer NOT NULL, -- a random number, which a restore replaces
    floor             integer NOT NULL, -- the highest version of a purged tombstone
    lost              text NOT NULL, -- versions that no row of this epoch has, such as 3-1000002
    volume            integer NOT NULL, -- the sum of the volumes of the expenses
    budgets           integer NOT NULL, -- the number of budgets
    CONSTRAINT spendwise_ledgers_pkey PRIMARY KEY (owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE spendwise_categories (
    owner      text NOT NULL,
    id         blob NOT NULL,
    name       text NOT NULL,
    name_key   text NOT NULL, -- the folded name
    colour     text NOT NULL,
    icon       text NOT NULL,
    archived   integer NOT NULL,
    version    integer NOT NULL,
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    CONSTRAINT spendwise_categories_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_categories_name_key UNIQUE (owner, name_key),
    CONSTRAINT spendwise_categories_ledger_fkey FOREIGN KEY (owner) REFERENCES spendwise_ledgers (owner)
) STRICT, WITHOUT ROWID;
-- A page of the change feed.
CREATE INDEX spendwise_categories_version ON spendwise_categories (owner, version, id);

CREATE TABLE spendwise_expenses (
    owner         text NOT NULL,
    id            blob NOT NULL,
    amount        integer NOT NULL,
    currency      text NOT NULL,
    date          integer NOT NULL,
    category_id   blob NOT NULL,
    notes         text NOT NULL,
    search        text, -- the notes without case and accents; NULL: the same as the notes
    rule_id       blob,
    occurrence    integer NOT NULL,
    rate          text, -- NULL: the expense is pending
    rate_date     integer NOT NULL,
    rate_source   text NOT NULL,
    home          integer NOT NULL,
    home_currency text NOT NULL,
    version       integer NOT NULL,
    guard         integer NOT NULL,
    created_at    integer NOT NULL,
    updated_at    integer NOT NULL,
    CONSTRAINT spendwise_expenses_pkey PRIMARY KEY (owner, date, id),
    CONSTRAINT spendwise_expenses_id_key UNIQUE (owner, id),
    CONSTRAINT spendwise_expenses_category_fkey
        FOREIGN KEY (owner, category_id) REFERENCES spendwise_categories (owner, id)
) STRICT, WITHOUT ROWID;
-- A page of the change feed, and the digest, from the index alone.
CREATE INDEX spendwise_expenses_version ON spendwise_expenses (owner, version, id);
-- A page ordered by amount.
CREATE INDEX spendwise_expenses_amount ON spendwise_expenses (owner, home, id);
-- The owners of pending expenses, and their pending expenses.
CREATE INDEX spendwise_expenses_pending ON spendwise_expenses (owner) WHERE rate IS NULL;

-- The sums of the expenses of each month, category and currency.
CREATE TABLE spendwise_totals (
    owner         text NOT NULL,
    month         integer NOT NULL,
    category_id   blob NOT NULL,
    currency      text NOT NULL,
    count         integer NOT NULL, -- 0: the same as no row
    amount        integer NOT NULL,
    home          integer NOT NULL,
    pending_count integer NOT NULL,
    pending       integer NOT NULL,
    CONSTRAINT spendwise_totals_pkey PRIMARY KEY (owner, month, category_id, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE spendwise_budgets (
    owner        text NOT NULL,
    id           blob NOT NULL,
    category_id  blob NOT NULL, -- zeros: the whole ledger; no foreign key, because budgets of merged categories stay
    label        text NOT NULL, -- the name of the merged category
    merged_into  blob, -- the category that has the expenses of the merged one
    until_month  integer NOT NULL,
    rollover     integer NOT NULL,
    rollover_cap integer NOT NULL, -- 0: none
    cap_currency text NOT NULL,
    alert_at     text NOT NULL, -- ten-thousandths, separated by commas
    version      integer NOT NULL,
    guard        integer NOT NULL,
    created_at   integer NOT NULL,
    updated_at   integer NOT NULL,
    CONSTRAINT spendwise_budgets_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_budgets_category_key UNIQUE (owner, category_id),
    CONSTRAINT spendwise_budgets_ledger_fkey FOREIGN KEY (owner) REFERENCES spendwise_ledgers (owner)
) STRICT, WITHOUT ROWID;
-- A page of the change feed.
CREATE INDEX spendwise_budgets_version ON spendwise_budgets (owner, version, id);

-- The limits of budgets, each from a month on.
CREATE TABLE spendwise_budget_entries (
    owner      text NOT NULL,
    budget_id  blob NOT NULL,
    from_month integer NOT NULL,
    amount     integer NOT NULL,
    currency   text NOT NULL,
    CONSTRAINT spendwise_budget_entries_pkey PRIMARY KEY (owner, budget_id, from_month),
    CONSTRAINT spendwise_budget_entries_budget_fkey
        FOREIGN KEY (owner, budget_id) REFERENCES spendwise_budgets (owner, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE spendwise_alerts (
    owner     text NOT NULL,
    id        blob NOT NULL,
    budget_id blob NOT NULL, -- no foreign key, because an alert outlives its budget
    month     integer NOT NULL,
    threshold integer NOT NULL, -- ten-thousandths
    raised_at integer NOT NULL,
    read_at   integer NOT NULL, -- 0: not read
    version   integer NOT NULL,
    CONSTRAINT spendwise_alerts_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_alerts_ledger_fkey FOREIGN KEY (owner) REFERENCES spendwise_ledgers (owner)
) STRICT, WITHOUT ROWID;
-- The alerts from a month on.
CREATE INDEX spendwise_alerts_month ON spendwise_alerts (owner, month, raised_at);
-- A page of the change feed.
CREATE INDEX spendwise_alerts_version ON spendwise_alerts (owner, version, id);

CREATE TABLE spendwise_rules (
    owner       text NOT NULL,
    id          blob NOT NULL,
    amount      integer NOT NULL,
    currency    text NOT NULL,
    category_id blob NOT NULL,
    notes       text NOT NULL,
    freq        integer NOT NULL,
    every       integer NOT NULL, -- the interval
    weekdays    integer NOT NULL,
    month_day   integer NOT NULL,
    on_missing  integer NOT NULL,
    start_date  integer NOT NULL,
    until_date  integer NOT NULL,
    times       integer NOT NULL, -- the count
    paused      integer NOT NULL,
    next_date   integer NOT NULL,
    skipped     text NOT NULL, -- dates YYYY-MM-DD, separated by commas
    settled     integer NOT NULL, -- no day up to this one is posted again
    last_error  text NOT NULL,
    failures    integer NOT NULL,
    retry_at    integer, -- NULL: posting need not wait
    due_at      integer, -- when the rule is due in the ledger's zone; NULL: never
    version     integer NOT NULL,
    guard       integer NOT NULL,
    created_at  integer NOT NULL,
    updated_at  integer NOT NULL,
    CONSTRAINT spendwise_rules_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_rules_category_fkey
        FOREIGN KEY (owner, category_id) REFERENCES spendwise_categories (owner, id)
) STRICT, WITHOUT ROWID;
-- The rules of a category, also for its foreign key.
CREATE INDEX spendwise_rules_category ON spendwise_rules (owner, category_id);
-- A page of the change feed.
CREATE INDEX spendwise_rules_version ON spendwise_rules (owner, version, id);
-- The owners of due rules, from the index alone.
CREATE INDEX spendwise_rules_due ON spendwise_rules (due_at, owner, retry_at) WHERE due_at IS NOT NULL;

-- What deleted rows leave.
CREATE TABLE spendwise_tombstones (
    owner       text NOT NULL,
    type        text NOT NULL, -- of the deleted row
    id          blob NOT NULL,
    version     integer NOT NULL,
    merged_into blob, -- the category into which a category was merged
    name_key    text, -- the folded name of a merged category
    deleted_at  integer NOT NULL,
    permanent   integer NOT NULL, -- 1: never purged: the id is derived and could be used again, or files name the category
    CONSTRAINT spendwise_tombstones_pkey PRIMARY KEY (owner, type, id)
) STRICT, WITHOUT ROWID;
-- A page of the change feed.
CREATE INDEX spendwise_tombstones_version ON spendwise_tombstones (owner, version, type, id);
-- The owners of expired tombstones.
CREATE INDEX spendwise_tombstones_expiry ON spendwise_tombstones (deleted_at, owner) WHERE permanent = 0;

CREATE TABLE spendwise_idempotency_records (
    owner       text NOT NULL,
    scope       text NOT NULL,
    key         text NOT NULL,
    fingerprint blob NOT NULL,
    retention   integer NOT NULL, -- 0: as long as requests; 1: as long as tombstones
    payload     blob NOT NULL,
    created_at  integer NOT NULL,
    CONSTRAINT spendwise_idempotency_records_pkey PRIMARY KEY (owner, scope, key)
) STRICT, WITHOUT ROWID;
-- Expired records.
CREATE INDEX spendwise_idempotency_records_expiry ON spendwise_idempotency_records (created_at);

-- Imports of files.
CREATE TABLE spendwise_imports (
    owner      text NOT NULL,
    id         blob NOT NULL,
    digest     blob NOT NULL, -- of the file
    payload    blob NOT NULL,
    created_at integer NOT NULL,
    undone_at  integer, -- NULL: the import is in effect
    CONSTRAINT spendwise_imports_pkey PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;

-- The rows that imports added. The key begins with the identity, because each import looks up its rows by it. Identities
-- begin with the date, so that the rows of a file are neighbours.
CREATE TABLE spendwise_imported_rows (
    owner       text NOT NULL,
    identity    blob NOT NULL,
    import_id   blob NOT NULL,
    expense_id  blob NOT NULL, -- the expense may be deleted
    fingerprint integer NOT NULL, -- of the expense as imported
    CONSTRAINT spendwise_imported_rows_pkey PRIMARY KEY (owner, identity, import_id)
) STRICT, WITHOUT ROWID;

-- Published exchange rates, which all ledgers share.
CREATE TABLE spendwise_quotes (
    source   text NOT NULL,
    date     integer NOT NULL,
    currency text NOT NULL,
    value    text NOT NULL,
    CONSTRAINT spendwise_quotes_pkey PRIMARY KEY (source, date, currency)
) STRICT, WITHOUT ROWID;
