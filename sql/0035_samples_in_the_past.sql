-- The table of a past moment says which models are the demo's, as the views of now do.

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
    overridden_fields  text[],
    is_sample          boolean
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
WITH wanted AS (
    SELECT provider.id, provider.slug, provider.is_sample
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
    past.overridden_fields,
    wanted.is_sample
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
