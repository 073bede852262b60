-- Releases leases.
DELETE FROM provider_sync_lease
WHERE token = :token AND provider_id = ANY(:provider_ids)
