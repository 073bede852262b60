-- Comments of the tables and views that people read, in plainer words.

DO $$
DECLARE
    described record;
BEGIN
    -- One wording wherever the column is shown.
    FOR described IN
        SELECT shown.attrelid::regclass AS relation, worded.attname, worded.comment
        FROM (
            VALUES
                ('display_name', 'Display name; NULL if the listing has none.'),
                ('family', 'Model family, such as gpt-4o-mini; NULL if unknown.'),
                ('deprecated_on', 'First day on which the provider advises against using the model; NULL if unknown.'),
                ('successor_model_id', 'The id of the model that the provider recommends instead; NULL if unknown.'),
                (
                    'prices',
                    'Maps a price component (input, output, cache_read, image, request ...) to its amount, unit, '
                    'currency and tiers by prompt size; an unknown price is absent.'
                ),
                (
                    'capability_sources',
                    'Maps a capability to the source of its value: override, evidence, lookup_table, regex or '
                    'weak_evidence.'
                ),
                ('meta_hash', 'SHA-256 of the columns that a sync compares to find changes.'),
                (
                    'renamed_from',
                    'The model''s earlier id, recognised by its name or metadata; first_seen_at is taken over from it. '
                    'NULL if there is none.'
                ),
                (
                    'renamed_to',
                    'The id under which the model was listed after this one disappeared; NULL if there is none.'
                ),
                (
                    'overridden_fields',
                    'Fields whose values overrides set, sorted: a column, capabilities.NAME, prices.COMPONENT or '
                    'metadata_json.NAME.'
                ),
                (
                    'canonical_id',
                    'The canonical model: lab/name, or the name alone if the lab is unknown; NULL if the model is '
                    'unknown or ambiguous.'
                ),
                (
                    'candidate_id',
                    'The canonical model that an ambiguous offer would belong to; otherwise the same as canonical_id.'
                ),
                (
                    'variant',
                    'How this offer quantizes or sells the model, such as fp8 or free; NULL for the model as released.'
                ),
                (
                    'certainty',
                    'How sure the identity is: stated (by a person or the listing), known (to the shipped data), '
                    'unverified (only the name says so), or ambiguous (the offer contradicts the model''s other offers).'
                ),
                (
                    'above',
                    'The amount applies to prompts of more than this many tokens, up to the next tier; 0 for the price '
                    'below the first tier.'
                ),
                ('is_sample', 'Whether the provider is a sample provider of the demo.')
        ) AS worded (attname, comment)
        JOIN pg_attribute AS shown ON shown.attname = worded.attname
        WHERE shown.attrelid IN (
            'provider_model'::regclass, 'provider_model_current'::regclass, 'model_offer'::regclass,
            'model_flat'::regclass, 'model_identity'::regclass, 'model_price'::regclass, 'model_price_history'::regclass
        )
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', described.relation, described.attname, described.comment);
    END LOOP;
END
$$;

COMMENT ON COLUMN model_flat.provider IS 'The provider''s display name.';
COMMENT ON COLUMN model_flat.last_seen_at IS
    'When the model was last listed; for an active model, the time of the provider''s last successful sync.';

COMMENT ON VIEW provider_model_current IS
    'provider_model with the provider''s slug and an up-to-date last_seen_at: an active model was in the last accepted '
    'listing, so it has the time of the provider''s last successful sync.';
COMMENT ON COLUMN provider_model_current.last_seen_at IS
    'When the model was last listed; for an active model, the time of the provider''s last successful sync.';

COMMENT ON VIEW model_offer IS
    'Every model of every provider, with its canonical model. Limits, modalities and capabilities that the listing does '
    'not state are filled with what other providers agree on; prices and dates never are. The column filled marks each '
    'such value; provider_model and provider_model_current are never filled.';
COMMENT ON COLUMN model_offer.certainty IS
    'How sure the identity is: stated (by a person or the listing), known (to the shipped data), unverified (only the '
    'name says so), or ambiguous (the offer contradicts the model''s other offers). NULL until the canonical models are '
    'refreshed.';
COMMENT ON COLUMN model_offer.capability_sources IS
    'Maps a capability to the source of its value: override, evidence, lookup_table, regex or weak_evidence; canonical '
    'if it is filled.';
COMMENT ON COLUMN model_offer.filled IS
    'Maps each filled value (a column, or capabilities.NAME) to its source: canonical, what other providers agree on.';

COMMENT ON COLUMN model_price.is_overridden IS 'Whether an override sets the price of this component.';
COMMENT ON VIEW model_price_history IS
    'What each model cost over time: a row per component, tier and period in which the price stayed the same. Of changes '
    'recorded before the catalogue kept all components, only input and output are known.';
COMMENT ON COLUMN model_price_history.valid_to IS
    'When a later sync changed it, or found it unknown; NULL while it applies. A removed model keeps its last price.';
COMMENT ON COLUMN model_price_history.cause IS
    'Why the price became this one: provider: its listing says so; rule: another rule reads the listing; override: an '
    'override began, changed or ended.';

COMMENT ON COLUMN provider_model_change.raw_response_id IS
    'The listing that was read. Not a foreign key: a stored listing is deleted sooner than the changes it caused.';
COMMENT ON COLUMN provider_model_change.cause IS
    'provider: its listing says so; rule: another rule reads the listing; override: an override began, changed or ended.';

COMMENT ON TABLE canonical_model IS
    'One row per model, however many providers offer it. Each fact is the value that more than half of the providers '
    'that state one agree on; without such a majority it is unknown. Only active offers count, or all earlier ones if '
    'none is active.';
COMMENT ON COLUMN canonical_model.name IS 'Display name: the most frequent one among its offers.';
COMMENT ON COLUMN canonical_model.family IS 'Model family, such as gpt-4o-mini; NULL if unknown.';
COMMENT ON COLUMN canonical_model.capabilities IS
    'Maps a capability to true or false, as listings or people state it, never as the name suggests; absent if unknown '
    'or disputed.';
COMMENT ON COLUMN canonical_model.agreement IS
    'For each stated fact (a column, or capabilities.NAME): agree, how many providers state its value; differ, the '
    'values of the others, by provider.';
COMMENT ON COLUMN canonical_model.prices IS
    'Maps a price component to the cheapest amount below the first tier, its provider and model id, the median, and the '
    'number of offers, all in the unit and currency that most offers use. Offers of variants count only if every active '
    'offer is one.';
COMMENT ON COLUMN canonical_model.retires_on IS
    'First day on which no active offer is served any more; NULL if the end of any of them is unknown.';
COMMENT ON COLUMN canonical_model.removed_at IS 'When its last offer was removed; NULL while any is left.';
COMMENT ON COLUMN canonical_model.is_verified IS
    'Whether a person, a listing or the shipped data identifies the model; otherwise its id comes from an offer''s name '
    'alone.';

COMMENT ON TABLE canonical_model_event IS
    'News about canonical models. A model that is assigned differently because the shipped data or an override changed '
    'is not news, and neither is what a provider listed when it was first synced.';

COMMENT ON FUNCTION provider_models_as_of(timestamptz, text) IS
    'provider_model_current as it was at a past moment, for one provider or (without a slug) for all: the present table '
    'with all later changes undone. Leaves out last_seen_at, missing_count and meta_hash, which have no history.';
