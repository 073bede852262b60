-- Creates the staging tables. They are dropped at commit because a pooler may give the connection to another program
-- next; those of an earlier write in the same transaction are dropped first.
DROP TABLE IF EXISTS pg_temp.listing, pg_temp.listing_row, pg_temp.listing_same, pg_temp.listing_reread,
    pg_temp.listing_rename;

-- The listings to write, one for each provider.
CREATE TEMPORARY TABLE listing (
    provider_id     bigint PRIMARY KEY,
    rule_version    integer NOT NULL,
    raw_response_id bigint,
    cause           text NOT NULL,
    is_reread       boolean NOT NULL,
    removal_after   integer NOT NULL,
    removal_age     interval NOT NULL
) ON COMMIT DROP;

-- Their rows that differ from the table or are new, with the types of the columns they go to.
CREATE TEMPORARY TABLE listing_row ON COMMIT DROP AS SELECT {staged} FROM provider_model WITH NO DATA;

-- The ids of their other rows, which are the table's.
CREATE TEMPORARY TABLE listing_same (
    provider_id bigint NOT NULL,
    model_id    text NOT NULL
) ON COMMIT DROP;

-- The previous listings, as read by the new rules.
CREATE TEMPORARY TABLE listing_reread (LIKE pg_temp.listing_row INCLUDING ALL) ON COMMIT DROP;

-- New ids of known models.
CREATE TEMPORARY TABLE listing_rename (
    provider_id bigint NOT NULL,
    new_id      text NOT NULL,
    old_id      text NOT NULL
) ON COMMIT DROP
