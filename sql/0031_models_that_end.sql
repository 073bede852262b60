-- Models that end before a day, by provider and id: few models have a known end, and a page reads little more than its
-- own rows. Built as those of 0030.

DROP INDEX CONCURRENTLY IF EXISTS provider_model_ends_idx;
CREATE INDEX CONCURRENTLY provider_model_ends_idx
    ON provider_model (provider_id, model_id, retires_on) WHERE retires_on IS NOT NULL;
