-- The ledgers and everything in them. The owner comes first in every key and index but for the cross-owner scans
-- (rules that are due, expiry), as on Postgres. Deleted rows leave a row in tombstones. Ids are text in lower case.

CREATE TABLE spendwise_ledgers (
    owner             text    NOT NULL,
    home              text    NOT NULL,
    zone              text    NOT NULL,
    locale            text    NOT NULL,
    fiscal_year_start integer NOT NULL,
    default_category  text    NOT NULL,
    settings_version  integer NOT NULL,
    version           integer NOT NULL, -- of the last Update that wrote
    epoch             integer NOT NULL, -- a number of chance, another one after each restore
    floor             integer NOT NULL, -- the highest version of a tombstone that was purged
    lost              text    NOT NULL, -- versions that no row of this history ever has, such as "3-1000002"
    volume            integer NOT NULL, -- the sum of the expenses' volumes
    budgets           integer NOT NULL, -- how many there are
    CONSTRAINT spendwise_ledgers_pkey PRIMARY KEY (owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE spendwise_categories (
    owner             text    NOT NULL,
    id                text    NOT NULL,
    name              text    NOT NULL,
    name_key          text    NOT NULL, -- the name, folded
    colour            text    NOT NULL,
    icon              text    NOT NULL,
    archived          integer NOT NULL,
    version           integer NOT NULL,
    created_at        integer NOT NULL, -- microseconds since 1970, as every instant here
    updated_at        integer NOT NULL,
    CONSTRAINT spendwise_categories_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_categories_name_key UNIQUE (owner, name_key),
    CONSTRAINT spendwise_categories_ledger_fkey FOREIGN KEY (owner) REFERENCES spendwise_ledgers (owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX spendwise_categories_version ON spendwise_categories (owner, version, id);

CREATE TABLE spendwise_expenses (
    owner             text    NOT NULL,
    id                text    NOT NULL,
    amount            integer NOT NULL, -- minor units, as every amount here
    currency          text    NOT NULL,
    date              integer NOT NULL, -- the digits YYYYMMDD, as every date here; 0 is none
    category_id       text    NOT NULL,
    notes             text    NOT NULL,
    search            text, -- the notes, folded; NULL where that changes nothing
    rule_id           text,
    occurrence        integer NOT NULL,
    rate              text, -- NULL: pending
    rate_date         integer NOT NULL,
    rate_source       text    NOT NULL,
    home              integer NOT NULL,
    home_currency     text    NOT NULL,
    version           integer NOT NULL,
    guard             integer NOT NULL,
    created_at        integer NOT NULL,
    updated_at        integer NOT NULL,
    CONSTRAINT spendwise_expenses_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_expenses_category_fkey
        FOREIGN KEY (owner, category_id) REFERENCES spendwise_categories (owner, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX spendwise_expenses_date ON spendwise_expenses (owner, date, id);
-- All that a sum by days needs, in the order in which it is grouped.
CREATE INDEX spendwise_expenses_days ON spendwise_expenses (owner, date, category_id, currency, amount, home, rate);
CREATE INDEX spendwise_expenses_category ON spendwise_expenses (owner, category_id, date, id);
CREATE INDEX spendwise_expenses_version ON spendwise_expenses (owner, version, id);
-- The largest of a month: those of a year are the largest of its twelve.
CREATE INDEX spendwise_expenses_largest ON spendwise_expenses (owner, date / 100, home, id, date);
CREATE INDEX spendwise_expenses_pending ON spendwise_expenses (owner) WHERE rate IS NULL;

CREATE TABLE spendwise_totals (
    owner             text    NOT NULL,
    month             integer NOT NULL, -- the digits YYYYMM, as every month here; 0 is none
    category_id       text    NOT NULL,
    currency          text    NOT NULL,
    count             integer NOT NULL,
    amount            integer NOT NULL,
    home              integer NOT NULL,
    pending_count     integer NOT NULL,
    pending           integer NOT NULL,
    CONSTRAINT spendwise_totals_pkey PRIMARY KEY (owner, month, category_id, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE spendwise_budgets (
    owner             text    NOT NULL,
    id                text    NOT NULL,
    category_id       text    NOT NULL, -- the nil UUID: the whole ledger. No foreign key: a merged category's series outlives it
    label             text    NOT NULL,
    merged_into       text, -- the category that has its expenses; none: the series is its category's own
    until_month       integer NOT NULL,
    rollover          integer NOT NULL,
    rollover_cap      integer NOT NULL, -- 0: none
    cap_currency      text    NOT NULL,
    alert_at          text    NOT NULL, -- ten-thousandths, with commas between
    version           integer NOT NULL,
    guard             integer NOT NULL,
    created_at        integer NOT NULL,
    updated_at        integer NOT NULL,
    CONSTRAINT spendwise_budgets_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_budgets_category_key UNIQUE (owner, category_id),
    CONSTRAINT spendwise_budgets_ledger_fkey FOREIGN KEY (owner) REFERENCES spendwise_ledgers (owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX spendwise_budgets_version ON spendwise_budgets (owner, version, id);

CREATE TABLE spendwise_budget_entries (
    owner             text    NOT NULL,
    budget_id         text    NOT NULL,
    from_month        integer NOT NULL,
    amount            integer NOT NULL,
    currency          text    NOT NULL,
    CONSTRAINT spendwise_budget_entries_pkey PRIMARY KEY (owner, budget_id, from_month),
    CONSTRAINT spendwise_budget_entries_budget_fkey
        FOREIGN KEY (owner, budget_id) REFERENCES spendwise_budgets (owner, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE spendwise_alerts (
    owner             text    NOT NULL,
    id                text    NOT NULL,
    budget_id         text    NOT NULL, -- no foreign key: an alert outlives its budget
    month             integer NOT NULL,
    threshold         integer NOT NULL, -- ten-thousandths
    raised_at         integer NOT NULL,
    read_at           integer NOT NULL, -- 0: not read
    version           integer NOT NULL,
    CONSTRAINT spendwise_alerts_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_alerts_ledger_fkey FOREIGN KEY (owner) REFERENCES spendwise_ledgers (owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX spendwise_alerts_month ON spendwise_alerts (owner, month, raised_at);
CREATE INDEX spendwise_alerts_version ON spendwise_alerts (owner, version, id);

CREATE TABLE spendwise_rules (
    owner             text    NOT NULL,
    id                text    NOT NULL,
    amount            integer NOT NULL,
    currency          text    NOT NULL,
    category_id       text    NOT NULL,
    notes             text    NOT NULL,
    freq              integer NOT NULL,
    every             integer NOT NULL,
    weekdays          integer NOT NULL,
    month_day         integer NOT NULL,
    on_missing        integer NOT NULL,
    start_date        integer NOT NULL,
    until_date        integer NOT NULL,
    times             integer NOT NULL,
    paused            integer NOT NULL,
    next_date         integer NOT NULL,
    skipped           text    NOT NULL, -- dates YYYY-MM-DD, with commas between
    settled           integer NOT NULL, -- no day up to this one is posted again
    last_error        text    NOT NULL,
    failures          integer NOT NULL,
    retry_at          integer, -- NULL: no need to wait
    due_at            integer, -- since when the rule is due in the ledger's zone; NULL: never
    version           integer NOT NULL,
    guard             integer NOT NULL,
    created_at        integer NOT NULL,
    updated_at        integer NOT NULL,
    CONSTRAINT spendwise_rules_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_rules_category_fkey
        FOREIGN KEY (owner, category_id) REFERENCES spendwise_categories (owner, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX spendwise_rules_category ON spendwise_rules (owner, category_id);
CREATE INDEX spendwise_rules_version ON spendwise_rules (owner, version, id);
CREATE INDEX spendwise_rules_due ON spendwise_rules (due_at, owner, retry_at) WHERE due_at IS NOT NULL;

CREATE TABLE spendwise_tombstones (
    owner             text    NOT NULL,
    type              text    NOT NULL,
    id                text    NOT NULL,
    version           integer NOT NULL,
    merged_into       text,
    deleted_at        integer NOT NULL,
    CONSTRAINT spendwise_tombstones_pkey PRIMARY KEY (owner, type, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX spendwise_tombstones_version ON spendwise_tombstones (owner, version, type, id);
-- Ids of version 5 are made from what they stand for: their tombstones never expire.
CREATE INDEX spendwise_tombstones_expiry ON spendwise_tombstones (deleted_at, owner)
    WHERE substr(CAST(id AS text), 15, 1) <> '5';

CREATE TABLE spendwise_idempotency_records (
    owner             text    NOT NULL,
    scope             text    NOT NULL,
    key               text    NOT NULL,
    fingerprint       blob    NOT NULL,
    retention         integer NOT NULL, -- 0: until the limit for requests; 1: as long as tombstones
    payload           blob    NOT NULL,
    created_at        integer NOT NULL,
    CONSTRAINT spendwise_idempotency_records_pkey PRIMARY KEY (owner, scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX spendwise_idempotency_records_expiry ON spendwise_idempotency_records (created_at);

-- Published prices belong to nobody: the table is the same for all ledgers.
CREATE TABLE spendwise_quotes (
    source            text    NOT NULL,
    date              integer NOT NULL,
    currency          text    NOT NULL,
    value             text    NOT NULL,
    CONSTRAINT spendwise_quotes_pkey PRIMARY KEY (source, date, currency)
) STRICT, WITHOUT ROWID;
