-- How long listings are kept, how each page was answered, and what lets the next sync ask whether anything changed.

ALTER TABLE provider
    ADD COLUMN raw_keep_count integer NOT NULL DEFAULT 20,
    ADD COLUMN raw_keep_for interval,
    ADD CONSTRAINT provider_raw_keep_count_positive CHECK (raw_keep_count > 0),
    ADD CONSTRAINT provider_raw_keep_for_positive CHECK (raw_keep_for > interval '0');

COMMENT ON COLUMN provider.raw_keep_count IS 'How many of its listings are kept; the latest ones, and those in use.';
COMMENT ON COLUMN provider.raw_keep_for IS
    'How long a listing is kept after it last came; NULL means as long as raw_keep_count lets it.';

ALTER TABLE raw_response ADD COLUMN last_fetched_at timestamptz NOT NULL DEFAULT now();

UPDATE raw_response SET last_fetched_at = fetched_at;

ALTER TABLE raw_response
    ADD CONSTRAINT raw_response_fetched_in_order CHECK (fetched_at <= last_fetched_at);

COMMENT ON COLUMN raw_response.last_fetched_at IS
    'When this content last came after another. While it goes on coming, only provider_sync.last_success_at moves on.';
-- Listings stored before this migration keep their digests over the bytes: each is stored once more when it comes again.
COMMENT ON COLUMN raw_response.sha256 IS
    'SHA-256 over endpoint, number and canonical JSON of every page, in order; over its bytes where a page is not JSON.';

ALTER TABLE raw_response_page
    ADD COLUMN status integer NOT NULL DEFAULT 200,
    ADD COLUMN headers jsonb NOT NULL DEFAULT '{}',
    ADD CONSTRAINT raw_response_page_status_range CHECK (status BETWEEN 100 AND 599),
    ADD CONSTRAINT raw_response_page_headers_object CHECK (jsonb_typeof(headers) = 'object');

COMMENT ON COLUMN raw_response_page.status IS 'The HTTP status it was answered with.';
COMMENT ON COLUMN raw_response_page.headers IS 'Headers of the answer that are worth keeping, by name in lower case.';

ALTER TABLE provider_sync
    ADD COLUMN validators jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN basis text,
    DROP COLUMN etag,
    ADD CONSTRAINT provider_sync_validators_array CHECK (jsonb_typeof(validators) = 'array'),
    ADD CONSTRAINT provider_sync_basis_format CHECK (basis ~ '^[0-9a-f]{64}$');

ALTER TABLE provider_sync
    ADD COLUMN etag text GENERATED ALWAYS AS (validators -> 0 ->> 'etag') STORED;

COMMENT ON COLUMN provider_sync.validators IS
    'Per page of the last accepted listing: endpoint, number, url, etag and last_modified, for conditional requests.';
COMMENT ON COLUMN provider_sync.basis IS
    'SHA-256 of all that the last accepted listing was read with: the rule, the code, overrides, thresholds, address. '
    'While it is the same, the same listing gives the same rows. NULL means that nothing can be said.';
COMMENT ON COLUMN provider_sync.etag IS 'The ETag of the last accepted listing''s first page.';
