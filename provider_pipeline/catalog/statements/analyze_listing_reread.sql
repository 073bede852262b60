ANALYZE pg_temp.listing_reread (provider_id, model_id)
