-- The tables of a write, in one go. They stay with the connection; their rows end with the transaction, or with the
-- next write inside it.

-- The listings that are written, one for each provider.
CREATE TEMPORARY TABLE IF NOT EXISTS listing (
    provider_id     bigint PRIMARY KEY,
    rule_version    integer NOT NULL,
    raw_response_id bigint,
    cause           text NOT NULL,
    is_reread       boolean NOT NULL,
    removal_after   integer NOT NULL,
    removal_age     interval NOT NULL
) ON COMMIT DELETE ROWS;

-- Where their rows arrive.
CREATE TEMPORARY TABLE IF NOT EXISTS listing_row (
    provider_id        bigint NOT NULL,
    model_id           text NOT NULL,
    display_name       text,
    family             text,
    context_length     bigint,
    max_output_tokens  bigint,
    input_modalities   text[],
    output_modalities  text[],
    input_price        numeric,
    output_price       numeric,
    capabilities       jsonb NOT NULL,
    capability_sources jsonb NOT NULL,
    metadata_json      jsonb NOT NULL,
    meta_hash          text NOT NULL,
    overridden_fields  text[] NOT NULL
) ON COMMIT DELETE ROWS;

-- What the same rules make of the listings before.
CREATE TEMPORARY TABLE IF NOT EXISTS listing_reread (LIKE pg_temp.listing_row INCLUDING ALL) ON COMMIT DELETE ROWS;

-- Which of their ids are other names of known models.
CREATE TEMPORARY TABLE IF NOT EXISTS listing_rename (
    provider_id bigint NOT NULL,
    new_id      text NOT NULL,
    old_id      text NOT NULL
) ON COMMIT DELETE ROWS;

DELETE FROM pg_temp.listing;
DELETE FROM pg_temp.listing_row;
DELETE FROM pg_temp.listing_reread;
DELETE FROM pg_temp.listing_rename
