-- Creates the staging table. It is dropped at commit because a pooler may give the connection to another program next;
-- that of an earlier write in the same transaction is dropped first. One table: each takes a millisecond.
DROP TABLE IF EXISTS pg_temp.listing_row;

-- The listings' rows that differ from the table or are new, with the types of the columns they go to, and the previous
-- listings' rows as read by new rules.
CREATE TEMPORARY TABLE listing_row ON COMMIT DROP AS
SELECT {staged}, false AS is_reread, model_id AS renamed_from FROM provider_model WITH NO DATA
