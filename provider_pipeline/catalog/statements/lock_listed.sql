-- Locks the providers of the listings: a second writer of one of them waits until this transaction ends.
SELECT provider.id
FROM provider
WHERE provider.id = ANY(CAST(:provider_ids AS bigint[]))
ORDER BY provider.id
FOR NO KEY UPDATE
