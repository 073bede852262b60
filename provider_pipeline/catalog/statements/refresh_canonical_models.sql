-- Computes the canonical models :touched from their offers, writes what differs, and records news, except of models that
-- are :reassigned: those only look different since the knowledge or an override changed.
WITH
offer AS MATERIALIZED (
    SELECT
        identity.canonical_id,
        identity.lab,
        identity.family,
        identity.variant,
        identity.certainty,
        identity.is_counted,
        provider.slug,
        model.provider_id,
        model.model_id,
        model.display_name,
        {model_agreed},
        model.capabilities,
        model.capability_sources,
        model.prices,
        model.retires_on,
        model.first_seen_at,
        model.removed_at,
        -- Offers that are gone speak only where no other is left.
        identity.is_counted = bool_or(identity.is_counted) OVER of_model AS speaks,
        identity.is_counted AND (identity.variant IS NULL) = coalesce(
            bool_or(identity.variant IS NULL) FILTER (WHERE identity.is_counted) OVER of_model, false
        ) AS is_priced
    FROM model_identity AS identity
    JOIN provider_model AS model ON model.id = identity.provider_model_id
    JOIN provider ON provider.id = model.provider_id
    WHERE identity.canonical_id = ANY(CAST(:touched AS text[]))
    WINDOW of_model AS (PARTITION BY identity.canonical_id)
),
-- A provider has one vote for each value that it states, however many offers it has.
vote AS (
    SELECT DISTINCT offer.canonical_id, stated.field, stated.value, offer.slug
    FROM offer
    CROSS JOIN LATERAL (
        VALUES {agreed_values}
        UNION ALL
        SELECT 'capabilities.' || held.key, held.value
        FROM jsonb_each(offer.capabilities) AS held
        WHERE offer.capability_sources ->> held.key IN ('evidence', 'override')
    ) AS stated (field, value)
    WHERE offer.speaks AND stated.value IS NOT NULL
),
tally AS (
    SELECT
        canonical_id,
        field,
        value,
        count(*) AS votes,
        count(*) * 2 > sum(count(*)) OVER (PARTITION BY canonical_id, field) AS is_agreed,
        jsonb_object_agg(slug, value) AS said
    FROM vote
    GROUP BY canonical_id, field, value
),
fact AS (
    SELECT
        canonical_id,
        field,
        (jsonb_agg(value) FILTER (WHERE is_agreed)) -> 0 AS value,
        jsonb_build_object(
            'agree', coalesce(max(votes) FILTER (WHERE is_agreed), 0),
            'differ', coalesce(jsonb_merged(said) FILTER (WHERE NOT is_agreed), '{{}}')
        ) AS agreement
    FROM tally
    GROUP BY canonical_id, field
),
agreed AS (
    SELECT
        canonical_id,
        jsonb_object_agg(field, agreement) AS agreement,
        jsonb_object_agg(field, value) FILTER (WHERE value IS NOT NULL) AS facts,
        jsonb_object_agg(split_part(field, '.', 2), value) FILTER (
            WHERE value IS NOT NULL AND field LIKE 'capabilities.%'
        ) AS capabilities
    FROM fact
    GROUP BY canonical_id
),
money AS (
    SELECT
        offer.canonical_id,
        price.key AS component,
        price.value ->> 'currency' AS currency,
        price.value ->> 'unit' AS unit,
        min(CAST(price.value ->> 'amount' AS numeric)) AS cheapest,
        (
            array_agg(
                jsonb_build_array(offer.slug, offer.model_id, offer.variant)
                ORDER BY CAST(price.value ->> 'amount' AS numeric), offer.slug COLLATE "C", offer.model_id COLLATE "C"
            )
        )[1] AS cheapest_offer,
        -- percentile_cont knows only floats, whose middle of 0.22 and 0.6 is 0.41000000000000003.
        trim_scale((
            percentile_disc(0.5) WITHIN GROUP (ORDER BY CAST(price.value ->> 'amount' AS numeric))
            + percentile_disc(0.5) WITHIN GROUP (ORDER BY CAST(price.value ->> 'amount' AS numeric) DESC)
        ) / 2) AS median,
        count(*) AS offers
    FROM offer
    CROSS JOIN jsonb_each(offer.prices) AS price
    WHERE offer.is_priced
    GROUP BY offer.canonical_id, price.key, currency, unit
),
usual_money AS (
    SELECT DISTINCT ON (canonical_id, component) *
    FROM money
    ORDER BY canonical_id, component, offers DESC, currency <> 'USD', currency COLLATE "C", unit COLLATE "C"
),
priced AS (
    SELECT
        canonical_id,
        jsonb_object_agg(
            component,
            jsonb_build_object(
                'currency', currency,
                'unit', unit,
                'cheapest', cheapest,
                'cheapest_slug', cheapest_offer -> 0,
                'cheapest_model_id', cheapest_offer -> 1,
                'median', median,
                'offers', offers
            ) || CASE
                WHEN cheapest_offer ->> 2 IS NULL THEN '{{}}' ELSE jsonb_build_object('variant', cheapest_offer -> 2)
            END
        ) AS prices
    FROM usual_money
    GROUP BY canonical_id
),
counted AS (
    SELECT
        canonical_id,
        min(lab COLLATE "C") AS lab,
        coalesce(
            mode() WITHIN GROUP (ORDER BY display_name COLLATE "C") FILTER (WHERE variant IS NULL),
            mode() WITHIN GROUP (ORDER BY display_name COLLATE "C"),
            regexp_replace(canonical_id, '^.*/', '')
        ) AS name,
        min(family COLLATE "C") AS family,
        CAST(count(*) FILTER (WHERE is_counted) AS integer) AS offers,
        CAST(count(DISTINCT provider_id) FILTER (WHERE is_counted) AS integer) AS providers,
        min(first_seen_at) AS first_seen_at,
        CASE
            WHEN count(retires_on) FILTER (WHERE is_counted) = count(*) FILTER (WHERE is_counted)
                THEN max(retires_on) FILTER (WHERE is_counted)
        END AS retires_on,
        CASE WHEN count(*) = count(removed_at) THEN max(removed_at) END AS removed_at,
        bool_or(certainty IN ('stated', 'known')) AS is_verified
    FROM offer
    GROUP BY canonical_id
),
before AS MATERIALIZED (
    SELECT id, prices, removed_at FROM canonical_model WHERE id = ANY(CAST(:touched AS text[]))
),
written AS (
    INSERT INTO canonical_model AS old (
        id, lab, name, family, {agreed}, capabilities, agreement, prices, offers, providers, first_seen_at, retires_on,
        removed_at, is_verified, changed_at
    )
    SELECT
        canonical_id, counted.lab, counted.name, counted.family, {facts_agreed}, coalesce(agreed.capabilities, '{{}}'),
        coalesce(agreed.agreement, '{{}}'), coalesce(priced.prices, '{{}}'), counted.offers, counted.providers,
        counted.first_seen_at, counted.retires_on, counted.removed_at, counted.is_verified, :now
    FROM counted
    LEFT JOIN agreed USING (canonical_id)
    LEFT JOIN priced USING (canonical_id)
    CROSS JOIN LATERAL jsonb_populate_record(CAST(NULL AS canonical_model), coalesce(agreed.facts, '{{}}')) AS facts
    ORDER BY canonical_id COLLATE "C"
    ON CONFLICT (id) DO UPDATE
    SET lab = excluded.lab,
        name = excluded.name,
        family = excluded.family,
        {agreed_updates},
        capabilities = excluded.capabilities,
        agreement = excluded.agreement,
        prices = excluded.prices,
        offers = excluded.offers,
        providers = excluded.providers,
        first_seen_at = excluded.first_seen_at,
        retires_on = excluded.retires_on,
        removed_at = excluded.removed_at,
        is_verified = excluded.is_verified,
        changed_at = excluded.changed_at
    WHERE to_jsonb(old) - 'changed_at' <> to_jsonb(excluded) - 'changed_at'
    RETURNING id, prices, removed_at
),
gone AS (
    DELETE FROM canonical_model
    WHERE id = ANY(CAST(:touched AS text[])) AND id NOT IN (SELECT canonical_id FROM counted)
    RETURNING id
),
news AS (
    -- What a provider listed when it was first synced is not new: only the catalogue had not seen it.
    SELECT written.id AS canonical_id, 'appeared' AS kind, first.slug, first.model_id, '{{}}'::jsonb AS detail
    FROM written
    LEFT JOIN before ON before.id = written.id
    CROSS JOIN LATERAL (
        SELECT offer.slug, offer.model_id
        FROM offer
        WHERE offer.canonical_id = written.id AND offer.first_seen_at > (
            SELECT min(other.first_seen_at) FROM provider_model AS other WHERE other.provider_id = offer.provider_id
        )
        ORDER BY offer.first_seen_at, offer.slug COLLATE "C", offer.model_id COLLATE "C"
        LIMIT 1
    ) AS first
    WHERE :with_news AND before.id IS NULL
    UNION ALL
    SELECT written.id, 'undercut', lower.detail #>> '{{0,slug}}', lower.detail #>> '{{0,model_id}}', lower.by_component
    FROM written
    JOIN before ON before.id = written.id
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(now.key, moved.detail) AS by_component, jsonb_agg(moved.detail ORDER BY now.key) AS detail
        FROM jsonb_each(written.prices) AS now
        JOIN jsonb_each(before.prices) AS was ON was.key = now.key
        CROSS JOIN LATERAL jsonb_build_object(
            'was', was.value -> 'cheapest',
            'was_slug', was.value -> 'cheapest_slug',
            'now', now.value -> 'cheapest',
            'slug', now.value -> 'cheapest_slug',
            'model_id', now.value -> 'cheapest_model_id',
            'unit', now.value -> 'unit',
            'currency', now.value -> 'currency'
        ) AS moved (detail)
        WHERE now.value -> 'unit' = was.value -> 'unit'
            AND now.value -> 'currency' = was.value -> 'currency'
            AND CAST(now.value ->> 'cheapest' AS numeric) < CAST(was.value ->> 'cheapest' AS numeric)
    ) AS lower
    WHERE lower.by_component IS NOT NULL
    UNION ALL
    SELECT written.id, 'ended', last.slug, last.model_id, '{{}}'
    FROM written
    JOIN before ON before.id = written.id
    CROSS JOIN LATERAL (
        SELECT offer.slug, offer.model_id
        FROM offer
        WHERE offer.canonical_id = written.id
        ORDER BY offer.removed_at DESC, offer.slug COLLATE "C", offer.model_id COLLATE "C"
        LIMIT 1
    ) AS last
    WHERE before.removed_at IS NULL AND written.removed_at IS NOT NULL
),
event AS (
    INSERT INTO canonical_model_event (canonical_id, kind, slug, model_id, detail, happened_at)
    SELECT canonical_id, kind, slug, model_id, detail, :now
    FROM news
    WHERE canonical_id <> ALL(CAST(:reassigned AS text[]))
    ORDER BY kind, canonical_id COLLATE "C"
    RETURNING id
)
SELECT
    (SELECT count(*) FROM written) AS changed,
    (SELECT count(*) FROM gone) AS removed,
    ARRAY(SELECT id FROM event ORDER BY id) AS events
