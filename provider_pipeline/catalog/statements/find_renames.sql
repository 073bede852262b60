-- Finds renamed models, pairs of a new id and an active id that just disappeared, and marks their staged rows. Ids are
-- grouped by what identifies them and never joined: a thousand similar ids would be a million pairs.
WITH leaver AS MATERIALIZED (
    SELECT old.*
    FROM jsonb_to_recordset(CAST(:absent AS jsonb)) AS said (provider_id bigint, model_id text)
    JOIN provider_model AS old ON old.provider_id = said.provider_id AND old.model_id = said.model_id
    WHERE old.provider_id = ANY(CAST(:provider_ids AS bigint[])) AND old.status = 'active'
    UNION ALL
    SELECT old.*
    FROM provider_model AS old
    WHERE old.provider_id = ANY(CAST(:uncompared AS bigint[]))
        AND old.status = 'active'
        AND NOT EXISTS (
            SELECT
            FROM pg_temp.listing_row AS new
            WHERE new.provider_id = old.provider_id AND new.model_id = old.model_id AND NOT new.is_reread
        )
),
candidate AS (
    SELECT 'old' AS side, provider_id, model_id, {traits}
    FROM leaver
    UNION ALL
    SELECT 'new', provider_id, model_id, {traits}
    FROM pg_temp.listing_row AS new
    WHERE provider_id IN (SELECT provider_id FROM leaver)
        AND NOT is_reread
        AND NOT EXISTS (
            SELECT
            FROM provider_model AS old
            WHERE old.provider_id = new.provider_id AND old.model_id = new.model_id
        )
),
described AS MATERIALIZED (
    SELECT
        side,
        provider_id,
        model_id,
        translate(lower(model_id), '_. :', '----') AS name,
        hash_record_extended(ROW({traits}), 0) AS likeness,
        hash_record_extended(ROW({stated_traits}), 0) AS stated,
        -- A family and at least three more values; what many models share proves nothing.
        family IS NOT NULL AND 3 <= (SELECT count(*) FROM jsonb_object_keys(metadata_json)) + num_nonnulls(
            {known_traits}
        ) AS telling
    FROM candidate
),
-- Reasons to take two ids for one model; the lowest rank wins.
reason AS (
    SELECT 1 AS rank, name AS key, stated, side, provider_id, model_id, 0 AS prefixed
    FROM described
    UNION ALL
    -- A vendor's prefix was added or dropped, and nothing else changed.
    SELECT
        2, concat(regexp_replace(name, '^.*/', ''), ' ', likeness), stated, side, provider_id, model_id,
        CAST(strpos(name, '/') > 0 AS integer)
    FROM described
    UNION ALL
    -- A new id for the same metadata. Ids with different numbers are different versions or sizes.
    SELECT
        3, concat(regexp_replace(model_id, '[^0-9]+', ' ', 'g'), ' ', likeness), stated, side, provider_id, model_id,
        0
    FROM described
    WHERE telling
),
pair AS MATERIALIZED (
    SELECT
        provider_id,
        rank,
        min(stated) AS stated,
        min(model_id) FILTER (WHERE side = 'new') AS new_id,
        min(model_id) FILTER (WHERE side = 'old') AS old_id
    FROM reason
    GROUP BY provider_id, rank, key
    HAVING count(*) FILTER (WHERE side = 'new') = 1
        AND count(*) FILTER (WHERE side = 'old') = 1
        AND (rank <> 2 OR sum(prefixed) = 1)
),
-- Metadata shared with a third listed model is no reason, whatever their names say: a server may state the same of all.
alone AS (
    SELECT provider_id, min(new_id) AS new_id, min(old_id) AS old_id
    FROM (
        SELECT provider_id, stated, new_id, old_id, 0 AS listed
        FROM pair
        WHERE rank = 3
        UNION ALL
        SELECT provider_id, hash_record_extended(ROW({stated_traits}), 0), NULL, NULL, 1
        FROM pg_temp.listing_row
        WHERE provider_id IN (SELECT provider_id FROM pair WHERE rank = 3) AND NOT is_reread
        UNION ALL
        -- The listing's other rows are the table's.
        SELECT provider_id, hash_record_extended(ROW({stated_traits}), 0), NULL, NULL, 1
        FROM provider_model AS same
        WHERE provider_id = ANY(CAST(:provider_ids AS bigint[]))
            AND provider_id IN (SELECT provider_id FROM pair WHERE rank = 3)
            AND status = 'active'
            AND NOT EXISTS (
                SELECT FROM leaver WHERE leaver.provider_id = same.provider_id AND leaver.model_id = same.model_id
            )
            AND NOT EXISTS (
                SELECT
                FROM pg_temp.listing_row AS new
                WHERE new.provider_id = same.provider_id AND new.model_id = same.model_id AND NOT new.is_reread
            )
    ) AS compared
    GROUP BY provider_id, stated
    HAVING count(new_id) = 1 AND sum(listed) = 1
),
ranked AS (
    SELECT
        provider_id,
        new_id,
        old_id,
        rank,
        min(rank) OVER (PARTITION BY provider_id, new_id) AS best_for_new,
        min(rank) OVER (PARTITION BY provider_id, old_id) AS best_for_old
    FROM (
        SELECT provider_id, new_id, old_id, rank FROM pair WHERE rank < 3
        UNION ALL
        SELECT provider_id, new_id, old_id, 3 FROM alone
    ) AS accepted
)
UPDATE pg_temp.listing_row AS new
SET renamed_from = ranked.old_id
FROM ranked
WHERE rank = best_for_new
    AND rank = best_for_old
    AND new.provider_id = ranked.provider_id
    AND new.model_id = ranked.new_id
    AND NOT new.is_reread
