-- Foreign keys are a migration of their own, so that a distributed database can distribute the tables before it.

ALTER TABLE spendwise_categories ADD CONSTRAINT spendwise_categories_ledger_fkey
    FOREIGN KEY (owner) REFERENCES spendwise_ledgers (owner);
ALTER TABLE spendwise_expenses ADD CONSTRAINT spendwise_expenses_category_fkey
    FOREIGN KEY (owner, category_id) REFERENCES spendwise_categories (owner, id);
ALTER TABLE spendwise_budgets ADD CONSTRAINT spendwise_budgets_ledger_fkey
    FOREIGN KEY (owner) REFERENCES spendwise_ledgers (owner);
ALTER TABLE spendwise_budget_entries ADD CONSTRAINT spendwise_budget_entries_budget_fkey
    FOREIGN KEY (owner, budget_id) REFERENCES spendwise_budgets (owner, id);
ALTER TABLE spendwise_alerts ADD CONSTRAINT spendwise_alerts_ledger_fkey
    FOREIGN KEY (owner) REFERENCES spendwise_ledgers (owner);
ALTER TABLE spendwise_rules ADD CONSTRAINT spendwise_rules_category_fkey
    FOREIGN KEY (owner, category_id) REFERENCES spendwise_categories (owner, id);
