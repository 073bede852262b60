-- Gives advisory locks back.
SELECT pg_advisory_unlock((CAST(:namespace AS bigint) << 32) | id)
FROM provider
WHERE slug = ANY(:slugs)
