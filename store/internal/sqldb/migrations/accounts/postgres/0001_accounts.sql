-- The tables of local accounts.
--
-- The rows of an account have the owner of its ledger, the text of the account's id, as the first column of every key
-- and index. Exceptions are the indexes that find expired rows. An e-mail address is unique across owners, so it has a
-- table with the address as its key. Times are microseconds since 1970.

CREATE TABLE spendwise_emails (
    email_key text COLLATE "C" NOT NULL, -- the folded address
    owner     text COLLATE "C" NOT NULL,
    CONSTRAINT spendwise_emails_pkey PRIMARY KEY (email_key)
);

CREATE TABLE spendwise_accounts (
    owner         text COLLATE "C" NOT NULL,
    email         text NOT NULL, -- as the user typed it
    email_key     text NOT NULL, -- as in spendwise_emails
    password_hash text NOT NULL, -- argon2id, in PHC string format
    created_at    bigint NOT NULL,
    CONSTRAINT spendwise_accounts_pkey PRIMARY KEY (owner)
);

CREATE TABLE spendwise_devices (
    owner          text COLLATE "C" NOT NULL,
    id             uuid NOT NULL,
    name           text NOT NULL,
    created_at     bigint NOT NULL,
    seen_at        bigint NOT NULL,
    ended_at       bigint, -- NULL: signed in
    family         bytea NOT NULL, -- SHA-256 of the secret that all its refresh tokens have
    current_token  bytea NOT NULL, -- SHA-256 of the current refresh token
    previous_token bytea NOT NULL, -- SHA-256 of the token before; zeros before the first rotation
    salt           bytea NOT NULL, -- the current token is made from it and the previous one
    rotated_at     bigint NOT NULL,
    expires_at     bigint NOT NULL,
    CONSTRAINT spendwise_devices_pkey PRIMARY KEY (owner, id)
);
-- Devices that ended long ago.
CREATE INDEX spendwise_devices_ended ON spendwise_devices (ended_at) WHERE ended_at IS NOT NULL;
-- Expired devices.
CREATE INDEX spendwise_devices_expiry ON spendwise_devices (expires_at);

CREATE TABLE spendwise_tokens (
    owner      text COLLATE "C" NOT NULL,
    id         uuid NOT NULL,
    name       text NOT NULL,
    scopes     integer NOT NULL, -- a bit set
    secret     bytea NOT NULL, -- SHA-256
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at    bigint, -- NULL: never
    CONSTRAINT spendwise_tokens_pkey PRIMARY KEY (owner, id)
);
-- Expired tokens.
CREATE INDEX spendwise_tokens_expiry ON spendwise_tokens (expires_at);

-- Accounts that were deleted and whose ledgers may still exist.
CREATE TABLE spendwise_erasures (
    owner     text COLLATE "C" NOT NULL,
    erased_at bigint NOT NULL,
    CONSTRAINT spendwise_erasures_pkey PRIMARY KEY (owner)
);

-- Failed attempts to sign in.
CREATE TABLE spendwise_failures (
    key     bytea NOT NULL, -- SHA-256 of an e-mail address or of a network address
    count   bigint NOT NULL,
    last_at bigint NOT NULL,
    CONSTRAINT spendwise_failures_pkey PRIMARY KEY (key)
);
-- Old failures.
CREATE INDEX spendwise_failures_expiry ON spendwise_failures (last_at);

-- The keys that sign tokens.
CREATE TABLE spendwise_keys (
    id         uuid NOT NULL,
    serial     integer NOT NULL, -- 1, 2, 3 …; if two instances make the next key, one of them succeeds
    public_key bytea NOT NULL, -- PKIX, DER
    sealed_key bytea NOT NULL, -- the private key, encrypted
    stage      text NOT NULL,
    created_at bigint NOT NULL,
    staged_at  bigint NOT NULL, -- the start of the stage
    CONSTRAINT spendwise_keys_pkey PRIMARY KEY (id),
    CONSTRAINT spendwise_keys_serial_key UNIQUE (serial)
);
