ANALYZE pg_temp.listing_row
