-- One wide row per model, for SQL people and their tools; and a comment on every column of every view.

CREATE FUNCTION usd_per_million_tokens(prices jsonb, component text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE
    WHEN prices -> component ->> 'currency' = 'USD' AND prices -> component ->> 'unit' = 'million_tokens'
        THEN (prices -> component ->> 'amount')::numeric
END
$$;

COMMENT ON FUNCTION usd_per_million_tokens(jsonb, text) IS
    'The price of a component below the first tier; NULL if it is unknown, or in another unit or currency.';

CREATE VIEW model_flat AS
SELECT
    model.slug,
    provider.name AS provider,
    provider.enabled AS is_enabled,
    provider.is_sample,
    model.model_id,
    model.display_name,
    identity.canonical_id,
    identity.lab,
    model.family,
    model.status,
    model.context_length,
    model.max_input_tokens,
    model.max_output_tokens,
    model.input_price,
    model.output_price,
    usd_per_million_tokens(model.prices, 'cache_read') AS cache_read_price,
    usd_per_million_tokens(model.prices, 'cache_write') AS cache_write_price,
    (model.capabilities ->> 'chat')::boolean AS can_chat,
    (model.capabilities ->> 'completion')::boolean AS can_completion,
    (model.capabilities ->> 'embedding')::boolean AS can_embedding,
    (model.capabilities ->> 'rerank')::boolean AS can_rerank,
    (model.capabilities ->> 'moderation')::boolean AS can_moderation,
    (model.capabilities ->> 'image_generation')::boolean AS can_image_generation,
    (model.capabilities ->> 'video_generation')::boolean AS can_video_generation,
    (model.capabilities ->> 'audio_transcription')::boolean AS can_audio_transcription,
    (model.capabilities ->> 'text_to_speech')::boolean AS can_text_to_speech,
    (model.capabilities ->> 'vision')::boolean AS can_vision,
    (model.capabilities ->> 'audio_input')::boolean AS can_audio_input,
    (model.capabilities ->> 'tools')::boolean AS can_tools,
    (model.capabilities ->> 'reasoning')::boolean AS can_reasoning,
    (model.capabilities ->> 'structured_output')::boolean AS can_structured_output,
    (model.capabilities ->> 'web_search')::boolean AS can_web_search,
    (model.capabilities ->> 'prompt_caching')::boolean AS can_prompt_caching,
    (model.capabilities ->> 'pdf_input')::boolean AS can_pdf_input,
    (model.capabilities ->> 'audio_output')::boolean AS can_audio_output,
    (model.capabilities ->> 'parallel_tools')::boolean AS can_parallel_tools,
    (model.capabilities ->> 'computer_use')::boolean AS can_computer_use,
    model.input_modalities,
    model.output_modalities,
    model.released_on,
    model.deprecated_on,
    model.retires_on,
    model.knowledge_cutoff,
    model.successor_model_id,
    model.first_seen_at,
    model.last_seen_at,
    model.overridden_fields,
    model.id,
    model.provider_id
FROM provider_model_current AS model
JOIN provider ON provider.id = model.provider_id
LEFT JOIN model_identity AS identity ON identity.provider_model_id = model.id;

COMMENT ON VIEW model_flat IS
    'Every model of every provider in one row of plain columns, without JSON: limits, prices in USD per million tokens, '
    'and a boolean per capability, where NULL is unknown. Further prices are in model_price, further fields in '
    'provider_model_current.';

-- What a view takes over means what it means where it comes from.
DO $$
DECLARE
    described record;
BEGIN
    FOR described IN
        SELECT shown.attname, col_description(shown_before.attrelid, shown_before.attnum) AS comment
        FROM pg_attribute AS shown
        JOIN pg_attribute AS shown_before
            ON shown_before.attname = shown.attname
            AND shown_before.attrelid = CASE
                WHEN shown.attname IN ('canonical_id', 'lab') THEN 'model_identity'::regclass
                ELSE 'provider_model_current'::regclass
            END
        WHERE shown.attrelid = 'model_flat'::regclass AND shown.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN model_flat.%I IS %L', described.attname, described.comment);
    END LOOP;
    FOR described IN
        SELECT attname, replace(substr(attname, 5), '_', ' ') AS capability
        FROM pg_attribute
        WHERE attrelid = 'model_flat'::regclass AND attname LIKE 'can\_%'
    LOOP
        EXECUTE format(
            'COMMENT ON COLUMN model_flat.%I IS %L',
            described.attname,
            'Whether the model has the capability ' || described.capability || '; NULL if unknown.'
        );
    END LOOP;
END
$$;

COMMENT ON COLUMN provider_model_current.slug IS 'The provider''s short name.';
COMMENT ON COLUMN provider_model_current.last_seen_at IS
    'When the model was last listed; for an active model, the time of the provider''s last good sync.';
COMMENT ON COLUMN model_flat.slug IS 'The provider''s short name.';
COMMENT ON COLUMN model_flat.provider IS 'The provider''s name for people.';
COMMENT ON COLUMN model_flat.is_enabled IS 'Whether the provider is synced; the rows of a disabled one stay as they were.';
COMMENT ON COLUMN model_flat.is_sample IS 'Whether the provider is one of the demo''s.';
COMMENT ON COLUMN model_flat.last_seen_at IS
    'When the model was last listed; for an active model, the time of the provider''s last good sync.';
COMMENT ON COLUMN model_flat.cache_read_price IS
    'USD per 1,000,000 tokens read from the prompt cache; NULL if unknown, or in another unit or currency.';
COMMENT ON COLUMN model_flat.cache_write_price IS
    'USD per 1,000,000 tokens written to the prompt cache; NULL if unknown, or in another unit or currency.';
