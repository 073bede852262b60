-- Providers whose table is not renewed, and why.
SELECT
    provider.slug,
    state.last_result ->> 'status' AS outcome,
    state.consecutive_failures,
    now() - state.last_success_at AS age,
    state.last_error
FROM provider
JOIN provider_sync AS state ON state.provider_id = provider.id
WHERE provider.enabled AND (state.consecutive_failures > 0 OR state.last_result ->> 'status' <> 'synced')
ORDER BY age DESC NULLS FIRST, provider.slug;
