-- What peers call a provider: exports write it, and people look it up.

ALTER TABLE provider
    ADD peer_ids jsonb NOT NULL DEFAULT '{}'::jsonb,
    ADD CONSTRAINT provider_peer_ids_is_object CHECK (jsonb_typeof(peer_ids) = 'object');

COMMENT ON COLUMN provider.peer_ids IS
    'Its name at peers (litellm, models_dev, genai_prices, openrouter, otel): a text, or texts by the models'' purpose '
    'with one for ''default''. A peer that does not know it is left out.';
