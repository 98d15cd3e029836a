-- The tables of local accounts.
--
-- The rows of an account have the owner of its ledger, the text of the account's id, as the first column of every key
-- and index. Exceptions are the indexes that find expired rows. An e-mail address is unique across owners, so it has a
-- table with the address as its key. Times are microseconds since 1970. Ids are 16 bytes.

CREATE TABLE spendwise_emails (
    email_key text NOT NULL, -- the folded address
    owner     text NOT NULL,
    CONSTRAINT spendwise_emails_pkey PRIMARY KEY (email_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE spendwise_accounts (
    owner         text NOT NULL,
    email         text NOT NULL, -- as the user typed it
    email_key     text NOT NULL, -- as in spendwise_emails
    password_hash text NOT NULL, -- argon2id, in PHC string format
    created_at    integer NOT NULL,
    CONSTRAINT spendwise_accounts_pkey PRIMARY KEY (owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE spendwise_devices (
    owner          text NOT NULL,
    id             blob NOT NULL,
    name           text NOT NULL,
    created_at     integer NOT NULL,
    seen_at        integer NOT NULL,
    ended_at       integer, -- NULL: signed in
    family         blob NOT NULL, -- SHA-256 of the secret that all its refresh tokens have
    current_token  blob NOT NULL, -- SHA-256 of the current refresh token
    previous_token blob NOT NULL, -- SHA-256 of the token before; zeros before the first rotation
    salt           blob NOT NULL, -- the current token is made from it and the previous one
    rotated_at     integer NOT NULL,
    expires_at     integer NOT NULL,
    CONSTRAINT spendwise_devices_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_devices_account_fkey FOREIGN KEY (owner) REFERENCES spendwise_accounts (owner)
) STRICT, WITHOUT ROWID;
-- Devices that ended long ago.
CREATE INDEX spendwise_devices_ended ON spendwise_devices (ended_at) WHERE ended_at IS NOT NULL;
-- Expired devices.
CREATE INDEX spendwise_devices_expiry ON spendwise_devices (expires_at);

CREATE TABLE spendwise_tokens (
    owner      text NOT NULL,
    id         blob NOT NULL,
    name       text NOT NULL,
    scopes     integer NOT NULL, -- a bit set
    secret     blob NOT NULL, -- SHA-256
    created_at integer NOT NULL,
    expires_at integer NOT NULL,
    used_at    integer, -- NULL: never
    CONSTRAINT spendwise_tokens_pkey PRIMARY KEY (owner, id),
    CONSTRAINT spendwise_tokens_account_fkey FOREIGN KEY (owner) REFERENCES spendwise_accounts (owner)
) STRICT, WITHOUT ROWID;
-- Expired tokens.
CREATE INDEX spendwise_tokens_expiry ON spendwise_tokens (expires_at);

-- Accounts that were deleted and whose ledgers may still exist.
CREATE TABLE spendwise_erasures (
    owner     text NOT NULL,
    erased_at integer NOT NULL,
    CONSTRAINT spendwise_erasures_pkey PRIMARY KEY (owner)
) STRICT, WITHOUT ROWID;

-- Failed attempts to sign in.
CREATE TABLE spendwise_failures (
    key     blob NOT NULL, -- SHA-256 of an e-mail address or of a network address
    count   integer NOT NULL,
    last_at integer NOT NULL,
    CONSTRAINT spendwise_failures_pkey PRIMARY KEY (key)
) STRICT, WITHOUT ROWID;
-- Old failures.
CREATE INDEX spendwise_failures_expiry ON spendwise_failures (last_at);

-- The keys that sign tokens.
CREATE TABLE spendwise_keys (
    id         blob NOT NULL,
    serial     integer NOT NULL, -- 1, 2, 3 …; if two instances make the next key, one of them succeeds
    public_key blob NOT NULL, -- PKIX, DER
    sealed_key blob NOT NULL, -- the private key, encrypted
    stage      text NOT NULL,
    created_at integer NOT NULL,
    staged_at  integer NOT NULL, -- the start of the stage
    CONSTRAINT spendwise_keys_pkey PRIMARY KEY (id),
    CONSTRAINT spendwise_keys_serial_key UNIQUE (serial)
) STRICT, WITHOUT ROWID;
