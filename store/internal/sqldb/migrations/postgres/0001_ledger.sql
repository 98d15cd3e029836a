-- The tables of ledgers.
--
-- The owner is the first column of every key and index, so that the schema can be distributed by owner. Exceptions are
-- the indexes that find rows of all owners: due rules and expired rows. Amounts are in minor units. Dates and months
-- are their digits, YYYYMMDD and YYYYMM; 0 is no date. Times are microseconds since 1970. The next migration adds the
-- foreign keys.

CREATE TABLE spendwise_ledgers (
    owner             text COLLATE "C" NOT NULL,
    home              text NOT NULL,
    zone              text NOT NULL,
    locale            text NOT NULL,
    fiscal_year_start smallint NOT NULL,
    default_category  uuid NOT NULL,
    settings_version  bigint NOT NULL,
    version           bigint NOT NULL, -- of the last Update that wrote a row
    epoch             bigint NOT NULL, -- a random number, which a restore replaces
    floor             bigint NOT NULL, -- the highest version of a purged tombstone
    lost              text NOT NULL, -- versions that no row of this epoch has, such as 3-1000002
    volume            bigint NOT NULL, -- the sum of the volumes of the expenses
    budgets           bigint NOT NULL, -- the number of budgets
    CONSTRAINT spendwise_ledgers_pkey PRIMARY KEY (owner)
);

CREATE TABLE spendwise_categories (
    owner      text COLLATE "C" NOT NULL,
    id         uuid NOT NULL,
    name       text NOT NULL,
    name_key   text COLLATE "C" NOT NULL, -- the folded name
    colour     text NOT NULL,
    icon       text NOT NULL,
    archived   smallint NOT NULL,
    version    bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    CONSTRAINT spendwise_categories_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_categories_name_key UNIQUE (owner, name_key)
);
-- A page of the change feed.
CREATE INDEX spendwise_categories_version ON spendwise_categories (owner, version, id);

CREATE TABLE spendwise_expenses (
    owner         text COLLATE "C" NOT NULL,
    id            uuid NOT NULL,
    amount        bigint NOT NULL,
    currency      text NOT NULL,
    date          integer NOT NULL,
    category_id   uuid NOT NULL,
    notes         text NOT NULL,
    search        text, -- the notes without case and accents; NULL: the same as the notes
    rule_id       uuid,
    occurrence    integer NOT NULL,
    rate          text, -- NULL: the expense is pending
    rate_date     integer NOT NULL,
    rate_source   text NOT NULL,
    home          bigint NOT NULL,
    home_currency text NOT NULL,
    version       bigint NOT NULL,
    guard         bigint NOT NULL,
    created_at    bigint NOT NULL,
    updated_at    bigint NOT NULL,
    CONSTRAINT spendwise_expenses_pkey PRIMARY KEY (owner, id)
);
-- A page ordered by date.
CREATE INDEX spendwise_expenses_date ON spendwise_expenses (owner, date, id);
-- Totals by day, from the index alone.
CREATE INDEX spendwise_expenses_days ON spendwise_expenses (owner, date, category_id, currency)
    INCLUDE (amount, home, rate);
-- A page of a category.
CREATE INDEX spendwise_expenses_category ON spendwise_expenses (owner, category_id, date, id);
-- A page of the change feed, and the digest, from the index alone.
CREATE INDEX spendwise_expenses_version ON spendwise_expenses (owner, version, id);
-- A page ordered by amount.
CREATE INDEX spendwise_expenses_amount ON spendwise_expenses (owner, home, id);
-- The owners of pending expenses, and their pending expenses.
CREATE INDEX spendwise_expenses_pending ON spendwise_expenses (owner) WHERE rate IS NULL;

-- The sums of the expenses of each month, category and currency.
CREATE TABLE spendwise_totals (
    owner         text COLLATE "C" NOT NULL,
    month         integer NOT NULL,
    category_id   uuid NOT NULL,
    currency      text COLLATE "C" NOT NULL,
    count         bigint NOT NULL, -- 0: the same as no row
    amount        bigint NOT NULL,
    home          bigint NOT NULL,
    pending_count bigint NOT NULL,
    pending       bigint NOT NULL,
    CONSTRAINT spendwise_totals_pkey PRIMARY KEY (owner, month, category_id, currency)
);

CREATE TABLE spendwise_budgets (
    owner        text COLLATE "C" NOT NULL,
    id           uuid NOT NULL,
    category_id  uuid NOT NULL, -- zeros: the whole ledger; no foreign key, because budgets of merged categories stay
    label        text NOT NULL, -- the name of the merged category
    merged_into  uuid, -- the category that has the expenses of the merged one
    until_month  integer NOT NULL,
    rollover     smallint NOT NULL,
    rollover_cap bigint NOT NULL, -- 0: none
    cap_currency text NOT NULL,
    alert_at     text NOT NULL, -- ten-thousandths, separated by commas
    version      bigint NOT NULL,
    guard        bigint NOT NULL,
    created_at   bigint NOT NULL,
    updated_at   bigint NOT NULL,
    CONSTRAINT spendwise_budgets_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_budgets_category_key UNIQUE (owner, category_id)
);
-- A page of the change feed.
CREATE INDEX spendwise_budgets_version ON spendwise_budgets (owner, version, id);

-- The limits of budgets, each from a month on.
CREATE TABLE spendwise_budget_entries (
    owner      text COLLATE "C" NOT NULL,
    budget_id  uuid NOT NULL,
    from_month integer NOT NULL,
    amount     bigint NOT NULL,
    currency   text NOT NULL,
    CONSTRAINT spendwise_budget_entries_pkey PRIMARY KEY (owner, budget_id, from_month)
);

CREATE TABLE spendwise_alerts (
    owner     text COLLATE "C" NOT NULL,
    id        uuid NOT NULL,
    budget_id uuid NOT NULL, -- no foreign key, because an alert outlives its budget
    month     integer NOT NULL,
    threshold integer NOT NULL, -- ten-thousandths
    raised_at bigint NOT NULL,
    read_at   bigint NOT NULL, -- 0: not read
    version   bigint NOT NULL,
    CONSTRAINT spendwise_alerts_pkey PRIMARY KEY (owner, id)
);
-- The alerts from a month on.
CREATE INDEX spendwise_alerts_month ON spendwise_alerts (owner, month, raised_at);
-- A page of the change feed.
CREATE INDEX spendwise_alerts_version ON spendwise_alerts (owner, version, id);

CREATE TABLE spendwise_rules (
    owner       text COLLATE "C" NOT NULL,
    id          uuid NOT NULL,
    amount      bigint NOT NULL,
    currency    text NOT NULL,
    category_id uuid NOT NULL,
    notes       text NOT NULL,
    freq        smallint NOT NULL,
    every       integer NOT NULL, -- the interval
    weekdays    smallint NOT NULL,
    month_day   smallint NOT NULL,
    on_missing  smallint NOT NULL,
    start_date  integer NOT NULL,
    until_date  integer NOT NULL,
    times       integer NOT NULL, -- the count
    paused      smallint NOT NULL,
    next_date   integer NOT NULL,
    skipped     text NOT NULL, -- dates YYYY-MM-DD, separated by commas
    settled     integer NOT NULL, -- no day up to this one is posted again
    last_error  text NOT NULL,
    failures    integer NOT NULL,
    retry_at    bigint, -- NULL: posting need not wait
    due_at      bigint, -- when the rule is due in the ledger's zone; NULL: never
    version     bigint NOT NULL,
    guard       bigint NOT NULL,
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL,
    CONSTRAINT spendwise_rules_pkey PRIMARY KEY (owner, id)
);
-- The rules of a category, also for its foreign key.
CREATE INDEX spendwise_rules_category ON spendwise_rules (owner, category_id);
-- A page of the change feed.
CREATE INDEX spendwise_rules_version ON spendwise_rules (owner, version, id);
-- The owners of due rules, from the index alone.
CREATE INDEX spendwise_rules_due ON spendwise_rules (due_at, owner, retry_at) WHERE due_at IS NOT NULL;

-- What deleted rows leave.
CREATE TABLE spendwise_tombstones (
    owner       text COLLATE "C" NOT NULL,
    type        text COLLATE "C" NOT NULL, -- of the deleted row
    id          uuid NOT NULL,
    version     bigint NOT NULL,
    merged_into uuid, -- the category into which a category was merged
    name_key    text COLLATE "C", -- the folded name of a merged category
    deleted_at  bigint NOT NULL,
    permanent   smallint NOT NULL, -- 1: never purged: the id is derived and could be used again, or files name the category
    CONSTRAINT spendwise_tombstones_pkey PRIMARY KEY (owner, type, id)
);
-- A page of the change feed.
CREATE INDEX spendwise_tombstones_version ON spendwise_tombstones (owner, version, type, id);
-- The owners of expired tombstones.
CREATE INDEX spendwise_tombstones_expiry ON spendwise_tombstones (deleted_at, owner) WHERE permanent = 0;

CREATE TABLE spendwise_idempotency_records (
    owner       text COLLATE "C" NOT NULL,
    scope       text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    retention   smallint NOT NULL, -- 0: as long as requests; 1: as long as tombstones
    payload     bytea NOT NULL,
    created_at  bigint NOT NULL,
    CONSTRAINT spendwise_idempotency_records_pkey PRIMARY KEY (owner, scope, key)
);
-- Expired records.
CREATE INDEX spendwise_idempotency_records_expiry ON spendwise_idempotency_records (created_at);

-- Imports of files.
CREATE TABLE spendwise_imports (
    owner      text COLLATE "C" NOT NULL,
    id         uuid NOT NULL,
    digest     bytea NOT NULL, -- of the file
    payload    bytea NOT NULL,
    created_at bigint NOT NULL,
    undone_at  bigint, -- NULL: the import is in effect
    CONSTRAINT spendwise_imports_pkey PRIMARY KEY (owner, id)
);

-- The rows that imports added. The key begins with the identity, because each import looks up its rows by it. Identities
-- begin with the date, so that the rows of a file are neighbours.
CREATE TABLE spendwise_imported_rows (
    owner       text COLLATE "C" NOT NULL,
    identity    uuid NOT NULL,
    import_id   uuid NOT NULL,
    expense_id  uuid NOT NULL, -- the expense may be deleted
    fingerprint bigint NOT NULL, -- of the expense as imported
    CONSTRAINT spendwise_imported_rows_pkey PRIMARY KEY (owner, identity, import_id)
);

-- Published exchange rates, which all ledgers share.
CREATE TABLE spendwise_quotes (
    source   text COLLATE "C" NOT NULL,
    date     integer NOT NULL,
    currency text COLLATE "C" NOT NULL,
    value    text NOT NULL,
    CONSTRAINT spendwise_quotes_pkey PRIMARY KEY (source, date, currency)
);
