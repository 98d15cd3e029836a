-- Local accounts, the devices they are signed in on, their personal tokens, and the keys that sign their tokens. An account's rows carry the owner of
-- its ledger (the text of the account's id) first in every key and index, but for the scans of expiry, and are distributed as
-- the ledger is. An e-mail address is unique across owners, so it has a table keyed by it; keys belong to nobody.

CREATE TABLE spendwise_emails (
    email_key text COLLATE "C" NOT NULL, -- the address, folded
    owner     text COLLATE "C" NOT NULL,
    CONSTRAINT spendwise_emails_pkey PRIMARY KEY (email_key)
);

CREATE TABLE spendwise_accounts (
    owner         text COLLATE "C" NOT NULL,
    email         text   NOT NULL, -- as it was typed
    email_key     text   NOT NULL, -- as in spendwise_emails
    password_hash text   NOT NULL, -- argon2id, PHC string format
    created_at    bigint NOT NULL, -- microseconds since 1970, as every instant here
    CONSTRAINT spendwise_accounts_pkey PRIMARY KEY (owner)
);

CREATE TABLE spendwise_devices (
    owner          text COLLATE "C" NOT NULL,
    id             uuid   NOT NULL,
    name           text   NOT NULL,
    created_at     bigint NOT NULL,
    seen_at        bigint NOT NULL,
    ended_at       bigint,          -- NULL: it lives
    family         bytea  NOT NULL, -- SHA-256 of the secret of all its refresh tokens
    current_token  bytea  NOT NULL, -- SHA-256 of the refresh token that is current
    previous_token bytea  NOT NULL, -- of the one before; zeros before the first rotation
    salt           bytea  NOT NULL, -- with the previous token it makes the current one
    rotated_at     bigint NOT NULL,
    expires_at     bigint NOT NULL,
    CONSTRAINT spendwise_devices_pkey PRIMARY KEY (owner, id)
);
CREATE INDEX spendwise_devices_ended ON spendwise_devices (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX spendwise_devices_expiry ON spendwise_devices (expires_at);

CREATE TABLE spendwise_tokens (
    owner      text COLLATE "C" NOT NULL,
    id         uuid     NOT NULL,
    name       text     NOT NULL,
    scopes     smallint NOT NULL, -- a set of bits
    secret     bytea    NOT NULL, -- SHA-256
    created_at bigint   NOT NULL,
    expires_at bigint   NOT NULL,
    used_at    bigint,            -- NULL: never
    CONSTRAINT spendwise_tokens_pkey PRIMARY KEY (owner, id)
);
CREATE INDEX spendwise_tokens_expiry ON spendwise_tokens (expires_at);

-- Accounts that were deleted and whose ledgers may not be gone everywhere yet.
CREATE TABLE spendwise_erasures (
    owner     text COLLATE "C" NOT NULL,
    erased_at bigint NOT NULL,
    CONSTRAINT spendwise_erasures_pkey PRIMARY KEY (owner)
);

-- Failed attempts to sign in, under the SHA-256 of an e-mail address, or of the network address they came from.
CREATE TABLE spendwise_failures (
    key     bytea   NOT NULL,
    count   integer NOT NULL,
    last_at bigint  NOT NULL,
    CONSTRAINT spendwise_failures_pkey PRIMARY KEY (key)
);
CREATE INDEX spendwise_failures_expiry ON spendwise_failures (last_at);

CREATE TABLE spendwise_keys (
    id         uuid    NOT NULL,
    serial     integer NOT NULL, -- 1, 2, 3 …: of two instances that make the next key, one does
    public_key bytea   NOT NULL, -- PKIX, DER
    sealed_key bytea   NOT NULL, -- the private half, encrypted
    stage      text    NOT NULL,
    created_at bigint  NOT NULL,
    staged_at  bigint  NOT NULL, -- when it came to its stage
    CONSTRAINT spendwise_keys_pkey PRIMARY KEY (id),
    CONSTRAINT spendwise_keys_serial_key UNIQUE (serial)
);
