-- The tables of a write, in one go. They stay with the connection; their rows end with the transaction, or with the
-- next write inside it.

-- Where a listing's rows arrive.
CREATE TEMPORARY TABLE IF NOT EXISTS listing_row (
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

-- What the same rule makes of the listing before.
CREATE TEMPORARY TABLE IF NOT EXISTS listing_reread (LIKE pg_temp.listing_row INCLUDING ALL) ON COMMIT DELETE ROWS;

-- Which of a listing's ids are other names of known models.
CREATE TEMPORARY TABLE IF NOT EXISTS listing_rename (
    new_id text NOT NULL,
    old_id text NOT NULL
) ON COMMIT DELETE ROWS;

DELETE FROM pg_temp.listing_row;
DELETE FROM pg_temp.listing_reread;
DELETE FROM pg_temp.listing_rename
