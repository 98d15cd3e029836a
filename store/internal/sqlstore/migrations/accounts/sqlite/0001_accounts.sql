-- Local accounts, the devices they are signed in on, their personal tokens, and the keys that sign their tokens. An account's rows carry the owner of
-- its ledger (the text of the account's id) first in every key and index, but for the scans of expiry, as on Postgres. An
-- e-mail address is unique across owners, so it has a table keyed by it; keys belong to nobody. Ids are text in lower case.

CREATE TABLE spendwise_emails (
    email_key text NOT NULL, -- the address, folded
    owner     text NOT NULL,
    CONSTRAINT spendwise_emails_pkey PRIMARY KEY (email_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE spendwise_accounts (
    owner         text    NOT NULL,
    email         text    NOT NULL, -- as it was typed
    email_key     text    NOT NULL, -- as in spendwise_emails
    password_hash text    NOT NULL, -- argon2id, PHC string format
    created_at    integer NOT NULL, -- microseconds since 1970, as every instant here
    CONSTRAINT spendwise_accounts_pkey PRIMARY KEY (owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE spendwise_devices (
    owner          text    NOT NULL,
    id             text    NOT NULL,
    name           text    NOT NULL,
    created_at     integer NOT NULL,
    seen_at        integer NOT NULL,
    ended_at       integer,          -- NULL: it lives
    family         blob    NOT NULL, -- SHA-256 of the secret of all its refresh tokens
    current_token  blob    NOT NULL, -- SHA-256 of the refresh token that is current
    previous_token blob    NOT NULL, -- of the one before; zeros before the first rotation
    salt           blob    NOT NULL, -- with the previous token it makes the current one
    rotated_at     integer NOT NULL,
    expires_at     integer NOT NULL,
    CONSTRAINT spendwise_devices_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_devices_account_fkey FOREIGN KEY (owner) REFERENCES spendwise_accounts (owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX spendwise_devices_ended ON spendwise_devices (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX spendwise_devices_expiry ON spendwise_devices (expires_at);

CREATE TABLE spendwise_tokens (
    owner      text    NOT NULL,
    id         text    NOT NULL,
    name       text    NOT NULL,
    scopes     integer NOT NULL, -- a set of bits
    secret     blob    NOT NULL, -- SHA-256
    created_at integer NOT NULL,
    expires_at integer NOT NULL,
    used_at    integer,          -- NULL: never
    CONSTRAINT spendwise_tokens_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_tokens_account_fkey FOREIGN KEY (owner) REFERENCES spendwise_accounts (owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX spendwise_tokens_expiry ON spendwise_tokens (expires_at);

-- Accounts that were deleted and whose ledgers may not be gone everywhere yet.
CREATE TABLE spendwise_erasures (
    owner     text    NOT NULL,
    erased_at integer NOT NULL,
    CONSTRAINT spendwise_erasures_pkey PRIMARY KEY (owner)
) STRICT, WITHOUT ROWID;

-- Failed attempts to sign in, under the SHA-256 of an e-mail address, or of the network address they came from.
CREATE TABLE spendwise_failures (
    key     blob    NOT NULL,
    count   integer NOT NULL,
    last_at integer NOT NULL,
    CONSTRAINT spendwise_failures_pkey PRIMARY KEY (key)
) STRICT, WITHOUT ROWID;
CREATE INDEX spendwise_failures_expiry ON spendwise_failures (last_at);

CREATE TABLE spendwise_keys (
    id         text    NOT NULL,
    serial     integer NOT NULL, -- 1, 2, 3 …: of two instances that make the next key, one does
    public_key blob    NOT NULL, -- PKIX, DER
    sealed_key blob    NOT NULL, -- the private half, encrypted
    stage      text    NOT NULL,
    created_at integer NOT NULL,
    staged_at  integer NOT NULL, -- when it came to its stage
    CONSTRAINT spendwise_keys_pkey PRIMARY KEY (id),
    CONSTRAINT spendwise_keys_serial_key UNIQUE (serial)
) STRICT, WITHOUT ROWID;
