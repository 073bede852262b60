-- Who has providers' advisory locks; nobody if a row is left from somebody who had it. A key of 64 bits is shown in two
-- halves.
SELECT provider.slug, held.holder, held.since
FROM provider
JOIN provider_sync_lock AS held ON held.provider_id = provider.id
JOIN pg_locks AS lock
    ON lock.locktype = 'advisory'
    AND lock.pid = held.backend_pid
    AND lock.granted
    AND lock.objsubid = 1
    AND (CAST(lock.classid AS bigint) << 32) | CAST(lock.objid AS bigint)
        = (CAST(:namespace AS bigint) << 32) | provider.id
WHERE provider.slug = ANY(:slugs)
