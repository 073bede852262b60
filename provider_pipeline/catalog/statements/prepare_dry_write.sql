-- Creates temporary tables for what a write of models reads and writes, with the tables' own checks. Only the columns of
-- providers and syncs that a write reads are needed.
CREATE TEMPORARY TABLE dry_provider ON COMMIT DROP AS
SELECT id, removal_after, removal_age FROM provider WITH NO DATA;

CREATE TEMPORARY TABLE dry_sync ON COMMIT DROP AS
SELECT provider_id, last_success_at FROM provider_sync WITH NO DATA;

CREATE TEMPORARY TABLE dry_model (
    LIKE provider_model INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING IDENTITY,
    UNIQUE (provider_id, model_id)
) ON COMMIT DROP;

CREATE TEMPORARY TABLE dry_change (
    LIKE provider_model_change INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING IDENTITY
) ON COMMIT DROP
