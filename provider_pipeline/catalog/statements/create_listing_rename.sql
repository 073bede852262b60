-- Which of a listing's ids are other names of known models. Like listing_row, it stays with the connection.
CREATE TEMPORARY TABLE IF NOT EXISTS listing_rename (
    new_id text NOT NULL,
    old_id text NOT NULL
) ON COMMIT DELETE ROWS
