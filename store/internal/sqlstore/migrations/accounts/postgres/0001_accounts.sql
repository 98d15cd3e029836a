-- Local accounts, the devices they are signed in on, and the keys that sign their tokens. An account's rows carry the owner of
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

CREATE TABLE spendwise_keys (
    id         uuid   NOT NULL,
    public_key bytea  NOT NULL, -- PKIX, DER
    sealed_key bytea  NOT NULL, -- the private half, encrypted
    stage      text   NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT spendwise_keys_pkey PRIMARY KEY (id)
);
