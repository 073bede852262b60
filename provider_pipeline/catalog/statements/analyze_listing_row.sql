ANALYZE pg_temp.listing_row (provider_id, model_id)
