-- Lists of models in each order that the API offers, and of one family: a page reads little more than its own rows.
-- Unknown values are left out, which makes new models cheaper. Built without locking the table; what an interrupted
-- build left is dropped first.

DROP INDEX CONCURRENTLY IF EXISTS provider_model_input_price_idx;
CREATE INDEX CONCURRENTLY provider_model_input_price_idx
    ON provider_model (input_price, provider_id, model_id) WHERE input_price IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS provider_model_output_price_idx;
CREATE INDEX CONCURRENTLY provider_model_output_price_idx
    ON provider_model (output_price, provider_id, model_id) WHERE output_price IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS provider_model_context_length_idx;
CREATE INDEX CONCURRENTLY provider_model_context_length_idx
    ON provider_model (context_length, provider_id, model_id) WHERE context_length IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS provider_model_first_seen_at_idx;
CREATE INDEX CONCURRENTLY provider_model_first_seen_at_idx
    ON provider_model (first_seen_at, provider_id, model_id);
DROP INDEX CONCURRENTLY IF EXISTS provider_model_family_idx;
CREATE INDEX CONCURRENTLY provider_model_family_idx
    ON provider_model (family, provider_id, model_id) WHERE family IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS provider_model_retires_on_idx;
CREATE INDEX CONCURRENTLY provider_model_retires_on_idx
    ON provider_model (retires_on) WHERE retires_on IS NOT NULL;
