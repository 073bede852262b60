-- Hides the tables behind the copies until the transaction ends: PostgreSQL looks for temporary tables first.
ALTER TABLE pg_temp.dry_provider RENAME TO provider;
ALTER TABLE pg_temp.dry_sync RENAME TO provider_sync;
ALTER TABLE pg_temp.dry_model RENAME TO provider_model;
ALTER TABLE pg_temp.dry_change RENAME TO provider_model_change
