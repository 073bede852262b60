-- The same model, wherever it is offered: which model each offer is, what its offers agree on, and what is new.

CREATE TABLE model_identity (
    provider_model_id bigint PRIMARY KEY REFERENCES provider_model (id),
    canonical_id      text,
    candidate_id      text,
    lab               text,
    family            text,
    snapshot          text,
    variant           text,
    certainty         text NOT NULL,
    source            text,
    is_counted        boolean NOT NULL,
    basis             text NOT NULL,
    row_version       text NOT NULL,
    CONSTRAINT model_identity_certainty_known CHECK (certainty IN ('stated', 'known', 'unverified', 'ambiguous')),
    CONSTRAINT model_identity_source_known CHECK (source IN ('override', 'listing', 'name')),
    CONSTRAINT model_identity_canonical_is_candidate CHECK (canonical_id = candidate_id),
    CONSTRAINT model_identity_ambiguous_has_no_model CHECK (certainty <> 'ambiguous' OR canonical_id IS NULL)
);

CREATE INDEX model_identity_canonical_id_idx ON model_identity (canonical_id);
CREATE INDEX model_identity_candidate_id_idx ON model_identity (candidate_id);

COMMENT ON TABLE model_identity IS
    'Which model each row of provider_model is. Kept beside that table, because better knowledge is no change of the '
    'provider''s; rows are computed anew when the knowledge, an override or the row changes.';
COMMENT ON COLUMN model_identity.provider_model_id IS 'The offer: a row of provider_model.';
COMMENT ON COLUMN model_identity.canonical_id IS
    'The model, as lab/name, or the name alone if the lab is unknown; NULL if it is unknown or ambiguous.';
COMMENT ON COLUMN model_identity.candidate_id IS
    'The model that the offer would be if it were not ambiguous; otherwise the same as canonical_id.';
COMMENT ON COLUMN model_identity.lab IS 'Who made the model; NULL if unknown.';
COMMENT ON COLUMN model_identity.family IS 'The model''s line, such as gpt-4o-mini; NULL if unknown.';
COMMENT ON COLUMN model_identity.snapshot IS 'The dated release of the model; NULL if the offer names none.';
COMMENT ON COLUMN model_identity.variant IS
    'How the offer packs or sells the model, such as fp8 or free; NULL for the model as released.';
COMMENT ON COLUMN model_identity.certainty IS
    'stated by a person or the listing, known to the shipped knowledge, unverified, or ambiguous: the offer contradicts '
    'the other offers of the model.';
COMMENT ON COLUMN model_identity.source IS
    'What the identity was read from: override, listing or name; NULL if nothing names a model.';
COMMENT ON COLUMN model_identity.is_counted IS
    'Whether the offer was active at an enabled provider when the identity was computed; other offers have no part in '
    'prices and counts.';
COMMENT ON COLUMN model_identity.basis IS 'Digest of the knowledge and the overrides it was computed with.';
COMMENT ON COLUMN model_identity.row_version IS 'The version of the provider_model row it was computed from.';

CREATE TABLE canonical_model (
    id                text PRIMARY KEY,
    lab               text,
    name              text NOT NULL,
    family            text,
    context_length    bigint,
    max_output_tokens bigint,
    input_modalities  text[],
    output_modalities text[],
    capabilities      jsonb NOT NULL DEFAULT '{}',
    released_on       date,
    knowledge_cutoff  date,
    agreement         jsonb NOT NULL DEFAULT '{}',
    prices            jsonb NOT NULL DEFAULT '{}',
    offers            integer NOT NULL,
    providers         integer NOT NULL,
    first_seen_at     timestamptz NOT NULL,
    retires_on        date,
    removed_at        timestamptz,
    is_verified       boolean NOT NULL,
    changed_at        timestamptz NOT NULL,
    CONSTRAINT canonical_model_capabilities_object CHECK (jsonb_typeof(capabilities) = 'object'),
    CONSTRAINT canonical_model_agreement_object CHECK (jsonb_typeof(agreement) = 'object'),
    CONSTRAINT canonical_model_prices_object CHECK (jsonb_typeof(prices) = 'object')
);

COMMENT ON TABLE canonical_model IS
    'Each model once, whoever offers it. A fact is the value that more than half of the providers that state one agree '
    'on; without such a majority it is unknown. Active offers speak, or the last known ones if there are none.';
COMMENT ON COLUMN canonical_model.id IS 'The model, as lab/name, or the name alone if the lab is unknown.';
COMMENT ON COLUMN canonical_model.lab IS 'Who made the model; NULL if unknown.';
COMMENT ON COLUMN canonical_model.name IS 'Name for people: the most frequent one of its offers.';
COMMENT ON COLUMN canonical_model.family IS 'The model''s line, such as gpt-4o-mini; NULL if unknown.';
COMMENT ON COLUMN canonical_model.context_length IS 'Context window, in tokens; NULL if unknown or disputed.';
COMMENT ON COLUMN canonical_model.max_output_tokens IS 'Longest answer, in tokens; NULL if unknown or disputed.';
COMMENT ON COLUMN canonical_model.input_modalities IS 'What the model accepts, sorted; NULL if unknown or disputed.';
COMMENT ON COLUMN canonical_model.output_modalities IS 'What the model produces, sorted; NULL if unknown or disputed.';
COMMENT ON COLUMN canonical_model.capabilities IS
    'Capability to true or false, as listings and people state it, never as a name suggests it; absent if unknown or '
    'disputed.';
COMMENT ON COLUMN canonical_model.released_on IS 'When the model was released; NULL if unknown or disputed.';
COMMENT ON COLUMN canonical_model.knowledge_cutoff IS 'End of the training data; NULL if unknown or disputed.';
COMMENT ON COLUMN canonical_model.agreement IS
    'Of each stated fact (a column, or capabilities.NAME): agree, the number of providers that state the value; differ, '
    'the others'' values by provider.';
COMMENT ON COLUMN canonical_model.prices IS
    'Price component to cheapest amount below the first tier, its provider and model id, the median, and the number of '
    'offers, in the unit and currency that most offers use. Of active offers of the model as released; with a variant '
    'only if every active offer is one.';
COMMENT ON COLUMN canonical_model.offers IS 'Active offers at enabled providers, variants included.';
COMMENT ON COLUMN canonical_model.providers IS 'Enabled providers with an active offer.';
COMMENT ON COLUMN canonical_model.first_seen_at IS 'When a provider first listed it.';
COMMENT ON COLUMN canonical_model.retires_on IS
    'The last provider''s end: the first day on which no active offer is served; NULL if one has no known end.';
COMMENT ON COLUMN canonical_model.removed_at IS 'When its last offer was removed; NULL while there is one.';
COMMENT ON COLUMN canonical_model.is_verified IS
    'Whether a person, a listing or the shipped knowledge names the model; otherwise its id is what an offer''s name says.';
COMMENT ON COLUMN canonical_model.changed_at IS 'When the row last changed.';

CREATE TABLE canonical_model_event (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    canonical_id text NOT NULL,
    kind         text NOT NULL,
    slug         text NOT NULL,
    model_id     text NOT NULL,
    detail       jsonb NOT NULL DEFAULT '{}',
    happened_at  timestamptz NOT NULL,
    CONSTRAINT canonical_model_event_kind_known CHECK (kind IN ('appeared', 'undercut', 'ended')),
    CONSTRAINT canonical_model_event_detail_object CHECK (jsonb_typeof(detail) = 'object')
);

CREATE INDEX canonical_model_event_happened_at_idx ON canonical_model_event (happened_at);

COMMENT ON TABLE canonical_model_event IS
    'News about models, whoever offers them. A model that is only seen in another way, because the knowledge or an '
    'override changed, is no news, nor is what a provider listed when it was first synced.';
COMMENT ON COLUMN canonical_model_event.id IS 'Key; grows with time.';
COMMENT ON COLUMN canonical_model_event.canonical_id IS 'The model; it may have another id since.';
COMMENT ON COLUMN canonical_model_event.kind IS
    'appeared: at its first provider; undercut: a price below the cheapest offer so far; ended: removed at its last '
    'provider.';
COMMENT ON COLUMN canonical_model_event.slug IS 'The provider that did it.';
COMMENT ON COLUMN canonical_model_event.model_id IS 'The model''s id there.';
COMMENT ON COLUMN canonical_model_event.detail IS
    'Of undercut: price component to was, was_slug, now, slug, model_id, unit and currency; otherwise empty.';
COMMENT ON COLUMN canonical_model_event.happened_at IS 'When the refresh that noticed it ran.';

ALTER TABLE provider_model_override
    DROP CONSTRAINT provider_model_override_field_known,
    ADD CONSTRAINT provider_model_override_field_known CHECK (
        field IN (
            'display_name', 'family', 'context_length', 'max_input_tokens', 'max_output_tokens', 'input_modalities',
            'output_modalities', 'input_price', 'output_price', 'released_on', 'deprecated_on', 'retires_on',
            'knowledge_cutoff', 'successor_model_id', 'canonical_id'
        )
        OR field ~ '^(capabilities|metadata_json|prices)\..'
    );

COMMENT ON COLUMN provider_model_override.field IS
    'A column of provider_model, one key of a column that is merged (capabilities.NAME, prices.NAME, '
    'metadata_json.NAME), or canonical_id: which model the offer is.';

CREATE VIEW model_offer AS
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
    )) || gap.filled_capabilities AS filled
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

COMMENT ON VIEW model_offer IS
    'Every model of every provider, with the model that it is, and with what the listing does not say filled from what '
    'other providers agree on: limits, modalities and capabilities, never prices or dates. The column filled marks each '
    'such value; provider_model and provider_model_current are never filled.';

-- What the view takes over means what it means where it comes from.
DO $$
DECLARE
    described record;
BEGIN
    FOR described IN
        SELECT
            shown.attname,
            coalesce(
                col_description('provider_model_current'::regclass, current_model.attnum),
                col_description('model_identity'::regclass, identity.attnum)
            ) || CASE
                WHEN shown.attname IN (
                    'context_length', 'max_output_tokens', 'input_modalities', 'output_modalities', 'capabilities'
                ) THEN ' Filled from the canonical model where the listing does not say.'
                ELSE ''
            END AS comment
        FROM pg_attribute AS shown
        LEFT JOIN pg_attribute AS current_model
            ON current_model.attrelid = 'provider_model_current'::regclass AND current_model.attname = shown.attname
        LEFT JOIN pg_attribute AS identity
            ON identity.attrelid = 'model_identity'::regclass AND identity.attname = shown.attname
        WHERE shown.attrelid = 'model_offer'::regclass AND shown.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN model_offer.%I IS %L', described.attname, described.comment);
    END LOOP;
END
$$;

COMMENT ON COLUMN model_offer.slug IS 'The provider''s short name.';
COMMENT ON COLUMN model_offer.last_seen_at IS 'When the model was last listed.';
COMMENT ON COLUMN model_offer.certainty IS
    'stated by a person or the listing, known to the shipped knowledge, unverified, or ambiguous: the offer contradicts '
    'the other offers of the model. NULL until the canonical models are refreshed.';
COMMENT ON COLUMN model_offer.capability_sources IS
    'Capability to where it was learnt: override, evidence, lookup_table, regex or weak_evidence; canonical if it is '
    'filled.';
COMMENT ON COLUMN model_offer.filled IS
    'Each filled value (a column, or capabilities.NAME) to its source: canonical, what other providers agree on.';
