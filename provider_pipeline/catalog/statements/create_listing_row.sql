-- Where a listing's rows arrive. The table stays with the connection; its rows end with the transaction.
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
) ON COMMIT DELETE ROWS
