-- What the same rule makes of the listing before. Like listing_row, it stays with the connection.
CREATE TEMPORARY TABLE IF NOT EXISTS listing_reread (LIKE pg_temp.listing_row INCLUDING ALL) ON COMMIT DELETE ROWS
