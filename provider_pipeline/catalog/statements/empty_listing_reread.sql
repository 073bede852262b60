DELETE FROM pg_temp.listing_reread
