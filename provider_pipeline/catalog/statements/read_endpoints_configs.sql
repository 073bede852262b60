-- Reads capability patterns and evidence by digest, each from one of the rules that share it.
SELECT endpoints_digest, CAST(endpoints_config AS text) AS endpoints_config
FROM rule_version
WHERE (provider_id, version) IN (
    SELECT DISTINCT ON (endpoints_digest) provider_id, version
    FROM rule_version
    WHERE endpoints_digest = ANY(:digests)
    ORDER BY endpoints_digest
)
