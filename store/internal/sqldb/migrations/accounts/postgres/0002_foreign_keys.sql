-- Foreign keys are a migration of their own, so that a distributed database can distribute the tables before it.

ALTER TABLE spendwise_devices ADD CONSTRAINT spendwise_devices_account_fkey
    FOREIGN KEY (owner) REFERENCES spendwise_accounts (owner);
ALTER TABLE spendwise_tokens ADD CONSTRAINT spendwise_tokens_account_fkey
    FOREIGN KEY (owner) REFERENCES spendwise_accounts (owner);
