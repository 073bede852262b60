-- All that a model is billed by, and the dates of its life.

ALTER TABLE provider_model
    ADD max_input_tokens   bigint,
    ADD prices             jsonb NOT NULL DEFAULT '{}',
    ADD released_on        date,
    ADD deprecated_on      date,
    ADD retires_on         date,
    ADD knowledge_cutoff   date,
    ADD successor_model_id text,
    ADD CONSTRAINT provider_model_max_input_tokens_positive CHECK (max_input_tokens > 0),
    ADD CONSTRAINT provider_model_prices_object CHECK (jsonb_typeof(prices) = 'object');

COMMENT ON COLUMN provider_model.max_input_tokens IS
    'Longest prompt, in tokens, where the provider states it; NULL if unknown.';
COMMENT ON COLUMN provider_model.prices IS
    'Price component (input, output, cache_read, image, request ...) to amount, unit, currency, and tiers by prompt size; '
    'an unknown price is absent.';
COMMENT ON COLUMN provider_model.released_on IS
    'When the model was released; a month counts as its first day. NULL if unknown.';
COMMENT ON COLUMN provider_model.deprecated_on IS
    'From when on the provider advises against using the model; NULL if unknown.';
COMMENT ON COLUMN provider_model.retires_on IS 'First day on which the model is no longer served; NULL if unknown.';
COMMENT ON COLUMN provider_model.knowledge_cutoff IS
    'End of the training data; a month counts as its first day. NULL if unknown.';
COMMENT ON COLUMN provider_model.successor_model_id IS
    'The id of the model that the provider advises instead; NULL if unknown.';

-- Rows and changes written before have the two columns alone.
CREATE FUNCTION agreeing_prices(prices jsonb, input_price numeric, output_price numeric) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT coalesce(jsonb_object_agg(component, price) FILTER (WHERE price IS NOT NULL), '{}')
FROM (
    SELECT
        coalesce(held.key, stated.component) AS component,
        CASE
            WHEN stated.component IS NULL THEN held.value
            -- In another currency or unit, the column has nothing to say.
            WHEN stated.amount IS NULL AND (
                held.value ->> 'currency' <> 'USD' OR held.value ->> 'unit' <> 'million_tokens'
            ) THEN held.value
            WHEN stated.amount IS NULL THEN NULL
            WHEN (held.value ->> 'amount')::numeric = stated.amount THEN held.value
            ELSE jsonb_build_object('amount', stated.amount, 'unit', 'million_tokens', 'currency', 'USD')
        END AS price
    FROM jsonb_each(prices) AS held
    FULL JOIN (
        VALUES ('input', input_price), ('output', output_price)
    ) AS stated (component, amount) ON stated.component = held.key
) AS agreed
$$;

COMMENT ON FUNCTION agreeing_prices(jsonb, numeric, numeric) IS
    'The prices, with input and output as the columns input_price and output_price have them.';

UPDATE provider_model
SET prices = agreeing_prices(prices, input_price, output_price)
WHERE input_price IS NOT NULL OR output_price IS NOT NULL;

CREATE OR REPLACE VIEW provider_model_current AS
SELECT
    provider.slug,
    model.id,
    model.provider_id,
    model.model_id,
    model.display_name,
    model.family,
    model.context_length,
    model.max_output_tokens,
    model.input_modalities,
    model.output_modalities,
    model.input_price,
    model.output_price,
    model.capabilities,
    model.capability_sources,
    model.metadata_json,
    model.meta_hash,
    model.status,
    model.missing_count,
    model.first_seen_at,
    CASE
        WHEN model.status = 'active' THEN greatest(model.last_seen_at, provider_sync.last_success_at)
        ELSE model.last_seen_at
    END AS last_seen_at,
    model.removed_at,
    model.rule_version,
    model.missing_since,
    model.renamed_from,
    model.renamed_to,
    model.overridden_fields,
    model.max_input_tokens,
    model.prices,
    model.released_on,
    model.deprecated_on,
    model.retires_on,
    model.knowledge_cutoff,
    model.successor_model_id
FROM provider_model AS model
JOIN provider ON provider.id = model.provider_id
LEFT JOIN provider_sync ON provider_sync.provider_id = model.provider_id;

-- What the view takes over means what it means in the table.
DO $$
DECLARE
    described record;
BEGIN
    FOR described IN
        SELECT attribute.attname, col_description('provider_model'::regclass, attribute.attnum) AS comment
        FROM pg_attribute AS attribute
        WHERE attribute.attrelid = 'provider_model'::regclass AND attribute.attnum > 0 AND NOT attribute.attisdropped
            AND attribute.attname <> 'last_seen_at'
    LOOP
        EXECUTE format('COMMENT ON COLUMN provider_model_current.%I IS %L', described.attname, described.comment);
    END LOOP;
END
$$;

DROP FUNCTION provider_models_as_of(timestamptz, text);
CREATE FUNCTION provider_models_as_of(moment timestamptz, provider_slug text DEFAULT NULL)
RETURNS TABLE (
    slug               text,
    id                 bigint,
    provider_id        bigint,
    model_id           text,
    display_name       text,
    family             text,
    context_length     bigint,
    max_input_tokens   bigint,
    max_output_tokens  bigint,
    input_modalities   text[],
    output_modalities  text[],
    input_price        numeric,
    output_price       numeric,
    prices             jsonb,
    released_on        date,
    deprecated_on      date,
    retires_on         date,
    knowledge_cutoff   date,
    successor_model_id text,
    capabilities       jsonb,
    capability_sources jsonb,
    metadata_json      jsonb,
    status             text,
    first_seen_at      timestamptz,
    missing_since      timestamptz,
    removed_at         timestamptz,
    rule_version       integer,
    renamed_from       text,
    renamed_to         text,
    overridden_fields  text[]
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
WITH wanted AS (
    SELECT provider.id, provider.slug
    FROM provider
    WHERE provider_slug IS NULL OR provider.slug = provider_slug
),
-- What came after the moment, and so has to be undone: of each column, the value before the first change of it.
later AS (
    SELECT
        change.provider_id,
        change.model_id,
        bool_or(change.kind IN ('added', 'renamed')) AS is_newer,
        jsonb_object_agg(field.key, field.value -> 0 ORDER BY change.id DESC) FILTER (WHERE field.key IS NOT NULL) AS was
    FROM wanted
    JOIN provider_model_change AS change ON change.provider_id = wanted.id
    LEFT JOIN LATERAL jsonb_each(change.changed) AS field (key, value) ON true
    WHERE change.changed_at > moment
    GROUP BY change.provider_id, change.model_id
)
SELECT
    wanted.slug,
    model.id,
    model.provider_id,
    model.model_id,
    past.display_name,
    past.family,
    past.context_length,
    past.max_input_tokens,
    past.max_output_tokens,
    past.input_modalities,
    past.output_modalities,
    past.input_price,
    past.output_price,
    CASE WHEN later.was IS NULL THEN past.prices ELSE agreeing_prices(past.prices, past.input_price, past.output_price) END,
    past.released_on,
    past.deprecated_on,
    past.retires_on,
    past.knowledge_cutoff,
    past.successor_model_id,
    past.capabilities,
    past.capability_sources,
    past.metadata_json,
    past.status,
    model.first_seen_at,
    CASE WHEN past.status <> 'active' THEN coalesce(earlier.missing_since, model.missing_since) END,
    CASE WHEN past.status = 'removed' THEN coalesce(earlier.removed_at, model.removed_at) END,
    coalesce(earlier.rule_version, model.rule_version),
    model.renamed_from,
    past.renamed_to,
    past.overridden_fields
FROM wanted
JOIN provider_model AS model ON model.provider_id = wanted.id
LEFT JOIN later ON later.provider_id = model.provider_id AND later.model_id = model.model_id
CROSS JOIN LATERAL jsonb_populate_record(model, coalesce(later.was, '{}')) AS past
-- Times and rule versions are not in the changes' columns: they are those of the changes up to the moment.
LEFT JOIN LATERAL (
    SELECT
        max(change.changed_at) FILTER (WHERE change.changed -> 'status' ->> 0 = 'active') AS missing_since,
        max(change.changed_at) FILTER (WHERE change.changed -> 'status' ->> 1 = 'removed') AS removed_at,
        (
            array_agg(change.rule_version ORDER BY change.id DESC)
            FILTER (WHERE change.kind NOT IN ('missing', 'removed'))
        )[1] AS rule_version
    FROM provider_model_change AS change
    WHERE later.model_id IS NOT NULL
        AND change.provider_id = model.provider_id
        AND change.model_id = model.model_id
        AND change.changed_at <= moment
) AS earlier ON true
WHERE later.is_newer IS NOT TRUE
$$;

COMMENT ON FUNCTION provider_models_as_of(timestamptz, text) IS
    'provider_model_current as it was at a past moment, of one provider or (without a slug) of all: the table of now '
    'with all later changes undone. Without last_seen_at, missing_count and meta_hash, which nobody writes down.';
