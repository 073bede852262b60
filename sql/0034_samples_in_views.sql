-- Each view of models says which of them are the demo's, and so no vendor's; model_flat has said so before.

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
    model.successor_model_id,
    provider.is_sample
FROM provider_model AS model
JOIN provider ON provider.id = model.provider_id
LEFT JOIN provider_sync ON provider_sync.provider_id = model.provider_id;

CREATE OR REPLACE VIEW model_offer AS
SELECT
    model.slug,
    model.id,
    model.provider_id,
    model.model_id,
    identity.canonical_id,
    identity.candidate_id,
    identity.lab,
    identity.snapshot,
    identity.variant,
    identity.certainty,
    model.display_name,
    model.family,
    coalesce(model.context_length, gap.context_length) AS context_length,
    model.max_input_tokens,
    coalesce(model.max_output_tokens, gap.max_output_tokens) AS max_output_tokens,
    coalesce(model.input_modalities, gap.input_modalities) AS input_modalities,
    coalesce(model.output_modalities, gap.output_modalities) AS output_modalities,
    model.input_price,
    model.output_price,
    model.prices,
    model.released_on,
    model.deprecated_on,
    model.retires_on,
    model.knowledge_cutoff,
    model.successor_model_id,
    gap.capabilities || model.capabilities AS capabilities,
    gap.capability_sources || model.capability_sources AS capability_sources,
    model.metadata_json,
    model.meta_hash,
    model.status,
    model.missing_count,
    model.first_seen_at,
    model.last_seen_at,
    model.missing_since,
    model.removed_at,
    model.rule_version,
    model.renamed_from,
    model.renamed_to,
    model.overridden_fields,
    jsonb_strip_nulls(jsonb_build_object(
        'context_length', CASE WHEN gap.context_length IS NOT NULL THEN 'canonical' END,
        'max_output_tokens', CASE WHEN gap.max_output_tokens IS NOT NULL THEN 'canonical' END,
        'input_modalities', CASE WHEN gap.input_modalities IS NOT NULL THEN 'canonical' END,
        'output_modalities', CASE WHEN gap.output_modalities IS NOT NULL THEN 'canonical' END
    )) || gap.filled_capabilities AS filled,
    model.is_sample
FROM provider_model_current AS model
LEFT JOIN model_identity AS identity ON identity.provider_model_id = model.id
-- An unverified model may be several models of one name: what one provider says of it is no fact about the others.
LEFT JOIN canonical_model AS canonical ON canonical.id = identity.canonical_id AND canonical.is_verified
-- What the offer lacks and the canonical model has. A limit that the offer's own limits contradict is left out.
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN model.context_length IS NULL
                AND canonical.context_length >= coalesce(greatest(model.max_input_tokens, model.max_output_tokens), 0)
                THEN canonical.context_length
        END AS context_length,
        CASE
            WHEN model.max_output_tokens IS NULL
                AND canonical.max_output_tokens <= coalesce(model.context_length, canonical.max_output_tokens)
                THEN canonical.max_output_tokens
        END AS max_output_tokens,
        CASE WHEN model.input_modalities IS NULL THEN canonical.input_modalities END AS input_modalities,
        CASE WHEN model.output_modalities IS NULL THEN canonical.output_modalities END AS output_modalities,
        coalesce(jsonb_object_agg(known.key, known.value) FILTER (WHERE known.key IS NOT NULL), '{}') AS capabilities,
        coalesce(
            jsonb_object_agg(known.key, 'canonical') FILTER (WHERE known.key IS NOT NULL), '{}'
        ) AS capability_sources,
        coalesce(
            jsonb_object_agg('capabilities.' || known.key, 'canonical') FILTER (WHERE known.key IS NOT NULL), '{}'
        ) AS filled_capabilities
    FROM jsonb_each(canonical.capabilities) AS known
    WHERE NOT model.capabilities ? known.key
) AS gap;

CREATE OR REPLACE VIEW model_price AS
SELECT
    provider.slug,
    model.provider_id,
    model.model_id,
    model.display_name,
    model.status,
    price.component,
    price.above,
    price.amount,
    price.unit,
    price.currency,
    model.overridden_fields && ARRAY['prices.' || price.component, price.component || '_price'] AS is_overridden,
    provider.is_sample
FROM provider
JOIN provider_model AS model ON model.provider_id = provider.id
CROSS JOIN LATERAL price_rows(model.prices) AS price;

CREATE OR REPLACE VIEW model_price_history AS
SELECT
    provider.slug,
    model.provider_id,
    model.model_id,
    span.component,
    span.above,
    span.amount,
    span.unit,
    span.currency,
    span.valid_from,
    span.valid_to,
    span.cause,
    provider.is_sample
FROM provider
JOIN provider_model AS model ON model.provider_id = provider.id
-- Per model, so that the planner looks up the changes of the models asked for by their index.
CROSS JOIN LATERAL (
    WITH moment AS (
        SELECT
            change.changed_at AS valid_from,
            lead(change.changed_at) OVER (ORDER BY change.id) AS valid_to,
            change.cause,
            -- The earlier value of each column that changed after this moment: the first later change has it.
            coalesce(
                jsonb_merged((
                    SELECT jsonb_object_agg(field.key, field.value -> 0)
                    FROM jsonb_each(change.changed) AS field
                    WHERE field.key IN ('prices', 'input_price', 'output_price')
                )) OVER (ORDER BY change.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
                '{}'
            ) AS undone
        FROM provider_model_change AS change
        WHERE change.provider_id = model.provider_id
            AND change.model_id = model.model_id
            AND (
                change.kind IN ('added', 'renamed')
                OR change.changed ?| ARRAY['prices', 'input_price', 'output_price']
            )
    ),
    -- What a sync records in two changes, as its rule's and its provider's, is one moment.
    state AS (
        SELECT
            moment.*,
            row_number() OVER (ORDER BY moment.valid_from) AS place,
            CASE
                WHEN moment.undone = '{}' THEN model.prices
                ELSE agreeing_prices(
                    coalesce(moment.undone -> 'prices', model.prices),
                    CASE
                        WHEN moment.undone ? 'input_price' THEN (moment.undone ->> 'input_price')::numeric
                        ELSE model.input_price
                    END,
                    CASE
                        WHEN moment.undone ? 'output_price' THEN (moment.undone ->> 'output_price')::numeric
                        ELSE model.output_price
                    END
                )
            END AS prices
        FROM moment
        WHERE moment.valid_to IS NULL OR moment.valid_from < moment.valid_to
    ),
    priced AS (
        SELECT
            price.*,
            state.valid_from,
            state.valid_to,
            state.cause,
            -- Equal while nothing of the price changes.
            state.place - row_number() OVER (
                PARTITION BY price.component, price.above, price.amount, price.unit, price.currency ORDER BY state.place
            ) AS island
        FROM state
        CROSS JOIN LATERAL price_rows(state.prices) AS price
    )
    SELECT
        component,
        above,
        amount,
        unit,
        currency,
        min(valid_from) AS valid_from,
        nullif(max(coalesce(valid_to, 'infinity')), 'infinity') AS valid_to,
        (array_agg(cause ORDER BY valid_from))[1] AS cause
    FROM priced
    GROUP BY component, above, amount, unit, currency, island
) AS span;

COMMENT ON COLUMN provider_model_current.is_sample IS 'Whether the provider is one of the demo''s.';
COMMENT ON COLUMN model_offer.is_sample IS 'Whether the provider is one of the demo''s.';
COMMENT ON COLUMN model_price.is_sample IS 'Whether the provider is one of the demo''s.';
COMMENT ON COLUMN model_price_history.is_sample IS 'Whether the provider is one of the demo''s.';
