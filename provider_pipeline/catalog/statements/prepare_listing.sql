-- The tables of a write, in one go. They end with the transaction: its connection may be a pooler's, which gives it to
-- other processes, with other versions of this code or other programs, next. Those of an earlier write in the same
-- transaction go first.
DROP TABLE IF EXISTS pg_temp.listing, pg_temp.listing_row, pg_temp.listing_reread, pg_temp.listing_rename;

-- The listings that are written, one for each provider.
CREATE TEMPORARY TABLE listing (
    provider_id     bigint PRIMARY KEY,
    rule_version    integer NOT NULL,
    raw_response_id bigint,
    cause           text NOT NULL,
    is_reread       boolean NOT NULL,
    removal_after   integer NOT NULL,
    removal_age     interval NOT NULL
) ON COMMIT DROP;

-- Where their rows arrive.
CREATE TEMPORARY TABLE listing_row ON COMMIT DROP AS SELECT {staged} FROM provider_model WITH NO DATA;

-- What the same rules make of the listings before.
CREATE TEMPORARY TABLE listing_reread (LIKE pg_temp.listing_row INCLUDING ALL) ON COMMIT DROP;

-- Which of their ids are other names of known models.
CREATE TEMPORARY TABLE listing_rename (
    provider_id bigint NOT NULL,
    new_id      text NOT NULL,
    old_id      text NOT NULL
) ON COMMIT DROP
