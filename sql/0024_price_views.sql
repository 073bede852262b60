-- Prices for people: one row per model, component and tier, now and over time.

CREATE FUNCTION price_rows(prices jsonb)
RETURNS TABLE (component text, above bigint, amount numeric, unit text, currency text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4 AS $$
SELECT price.key, part.above, part.amount, price.value ->> 'unit', price.value ->> 'currency'
FROM jsonb_each(prices) AS price
CROSS JOIN LATERAL (
    SELECT 0, (price.value ->> 'amount')::numeric
    UNION ALL
    SELECT (tier.value ->> 'above')::bigint, (tier.value ->> 'amount')::numeric
    FROM jsonb_array_elements(price.value -> 'tiers') AS tier
) AS part (above, amount)
$$;

COMMENT ON FUNCTION price_rows(jsonb) IS
    'A row for each component of provider_model.prices, and for each of its tiers: above is 0 for the price below the '
    'first tier, else the prompt size in tokens above which the amount holds.';

CREATE VIEW model_price AS
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
    model.overridden_fields && ARRAY['prices.' || price.component, price.component || '_price'] AS is_overridden
FROM provider
JOIN provider_model AS model ON model.provider_id = provider.id
CROSS JOIN LATERAL price_rows(model.prices) AS price;

COMMENT ON VIEW model_price IS
    'What each model costs: a row per component and tier. A model without known prices has no row.';
COMMENT ON COLUMN model_price.slug IS 'The provider''s short name.';
COMMENT ON COLUMN model_price.provider_id IS 'The provider.';
COMMENT ON COLUMN model_price.model_id IS 'The model''s id, as requests to the provider name it.';
COMMENT ON COLUMN model_price.display_name IS 'Name for people; NULL if the listing has none.';
COMMENT ON COLUMN model_price.status IS
    'active: in the last accepted listing; missing: absent from it; removed: absent from several in a row.';
COMMENT ON COLUMN model_price.component IS 'What is charged for: input, output, cache_read, image, request ...';
COMMENT ON COLUMN model_price.above IS
    'The prompt size, in tokens, above which the amount holds, up to the next tier; 0 for the price below the first tier.';
COMMENT ON COLUMN model_price.amount IS 'The price of one unit, as listed; 0 is free.';
COMMENT ON COLUMN model_price.unit IS
    'What the amount buys: million_tokens, million_characters, thousand_requests, image, second or page.';
COMMENT ON COLUMN model_price.currency IS 'ISO 4217 code; amounts are never converted.';
COMMENT ON COLUMN model_price.is_overridden IS 'Whether people set the price of this component.';

-- Later changes win: each key keeps the value that was merged last.
CREATE AGGREGATE jsonb_merged(jsonb) (SFUNC = jsonb_concat, STYPE = jsonb, INITCOND = '{}', PARALLEL = SAFE);

COMMENT ON AGGREGATE jsonb_merged(jsonb) IS 'The union of JSON objects; of equal keys, the last one wins.';

CREATE VIEW model_price_history AS
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
    span.cause
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

COMMENT ON VIEW model_price_history IS
    'What each model cost when: a row per component, tier and span of time in which the price stayed the same. '
    'Changes recorded before the catalogue kept other components have input and output alone.';
COMMENT ON COLUMN model_price_history.slug IS 'The provider''s short name.';
COMMENT ON COLUMN model_price_history.provider_id IS 'The provider.';
COMMENT ON COLUMN model_price_history.model_id IS
    'The model''s id, as requests to the provider name it. The prices under an earlier id are that id''s.';
COMMENT ON COLUMN model_price_history.component IS 'What is charged for: input, output, cache_read, image, request ...';
COMMENT ON COLUMN model_price_history.above IS
    'The prompt size, in tokens, above which the amount holds, up to the next tier; 0 for the price below the first tier.';
COMMENT ON COLUMN model_price_history.amount IS 'The price of one unit, as listed; 0 is free.';
COMMENT ON COLUMN model_price_history.unit IS
    'What the amount buys: million_tokens, million_characters, thousand_requests, image, second or page.';
COMMENT ON COLUMN model_price_history.currency IS 'ISO 4217 code; amounts are never converted.';
COMMENT ON COLUMN model_price_history.valid_from IS 'When the sync wrote the price.';
COMMENT ON COLUMN model_price_history.valid_to IS
    'When a later sync changed it, or found it unknown; NULL while it holds. A removed model keeps its last price.';
COMMENT ON COLUMN model_price_history.cause IS
    'Why the price is this one from then on: provider: its listing says so; rule: another rule reads the listing; '
    'override: people set or ended a value.';

-- A person's price is overridden under both of its names, as syncs write them from now on.
UPDATE provider_model
SET overridden_fields = ARRAY(
    SELECT DISTINCT field COLLATE "C"
    FROM unnest(
        overridden_fields
        || CASE WHEN 'input_price' = ANY (overridden_fields) THEN ARRAY['prices.input'] ELSE '{}' END
        || CASE WHEN 'output_price' = ANY (overridden_fields) THEN ARRAY['prices.output'] ELSE '{}' END
    ) AS field
    ORDER BY 1
)
WHERE overridden_fields && ARRAY['input_price', 'output_price'];
