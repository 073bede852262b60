-- Registers the listings to write, with their providers' removal settings, and locks the providers: a second writer of one
-- of them waits until this transaction ends.
INSERT INTO pg_temp.listing (
    provider_id, rule_version, raw_response_id, cause, is_reread, removal_after, removal_age
)
SELECT
    provider.id, said.rule_version, said.raw_response_id, said.cause, said.is_reread, provider.removal_after,
    provider.removal_age
FROM jsonb_to_recordset(CAST(:listings AS jsonb)) AS said (
    provider_id bigint, rule_version integer, raw_response_id bigint, cause text, is_reread boolean
)
JOIN provider ON provider.id = said.provider_id
ORDER BY provider.id
FOR NO KEY UPDATE OF provider
