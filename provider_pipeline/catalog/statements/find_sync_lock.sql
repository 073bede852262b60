-- Who has a provider's advisory lock; nobody if the row is left from somebody who had it. A key of 64 bits is shown in
-- two halves.
SELECT held.holder, held.since
FROM provider_sync_lock AS held
JOIN pg_locks AS lock
    ON lock.locktype = 'advisory'
    AND lock.pid = held.backend_pid
    AND lock.granted
    AND lock.objsubid = 1
    AND (CAST(lock.classid AS bigint) << 32) | CAST(lock.objid AS bigint) = CAST(:key AS bigint)
WHERE held.provider_id = :provider_id
