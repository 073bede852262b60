ANALYZE pg_temp.listing
