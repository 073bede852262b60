-- Upserts the staged listings and records the changes; unchanged rows are not even read. If a new rule read a listing,
-- its previous listing as read by that rule is staged too: values that are already there were changed by the rule, all
-- others by the provider.
WITH
listing AS MATERIALIZED (
    SELECT said.*, provider.removal_after, provider.removal_age
    FROM jsonb_to_recordset(CAST(:listings AS jsonb)) AS said (
        provider_id bigint, rule_version integer, raw_response_id bigint, cause text, is_reread boolean
    )
    JOIN provider ON provider.id = said.provider_id
),
-- Models the listing leaves out, except removed ones.
absent AS MATERIALIZED (
    SELECT
        old.provider_id,
        old.id,
        old.model_id,
        old.status AS was,
        old.missing_count + 1 AS missing_count,
        seen.last_seen_at,
        CASE
            WHEN old.missing_count + 1 >= listing.removal_after
                AND CAST(:now AS timestamptz) - seen.last_seen_at >= listing.removal_age THEN 'removed'
            ELSE 'missing'
        END AS status,
        -- It was in the previous listing, where the new rule does not find it.
        listing.is_reread AND old.status = 'active' AND again.model_id IS NULL AS is_overlooked
    FROM (
        SELECT provider_id, model_id
        FROM jsonb_to_recordset(CAST(:absent AS jsonb)) AS said (provider_id bigint, model_id text)
        UNION ALL
        SELECT old.provider_id, old.model_id
        FROM provider_model AS old
        WHERE old.provider_id = ANY(CAST(:uncompared AS bigint[]))
            AND NOT EXISTS (
                SELECT
                FROM pg_temp.listing_row AS new
                WHERE new.provider_id = old.provider_id AND new.model_id = old.model_id AND NOT new.is_reread
            )
    ) AS left_out
    JOIN listing ON listing.provider_id = left_out.provider_id
    JOIN provider_model AS old ON old.provider_id = left_out.provider_id AND old.model_id = left_out.model_id
    LEFT JOIN pg_temp.listing_row AS again
        ON again.provider_id = old.provider_id AND again.model_id = old.model_id AND again.is_reread
    CROSS JOIN LATERAL (
        -- Syncs do not touch unchanged rows, so an active model was last seen in the last accepted listing.
        SELECT CASE
            WHEN old.status = 'active' THEN greatest(old.last_seen_at, (
                SELECT last_success_at FROM provider_sync WHERE provider_id = old.provider_id
            ))
            ELSE old.last_seen_at
        END AS last_seen_at
    ) AS seen
    WHERE old.provider_id = ANY(CAST(:provider_ids AS bigint[]))
        AND old.status <> 'removed'
),
-- Listed models that are new, restored or different; a renamed one is compared with its old row.
arrived AS MATERIALIZED (
    SELECT
        CASE WHEN new.renamed_from IS NULL THEN old.id END AS id,
        new.provider_id,
        new.model_id,
        new.renamed_from,
        old.first_seen_at,
        CASE
            WHEN new.renamed_from IS NOT NULL THEN 'renamed'
            WHEN old.id IS NULL THEN 'added'
            WHEN old.status <> 'active' THEN 'restored'
            ELSE 'updated'
        END AS kind,
        difference.changed,
        difference.of_rule,
        CASE
            WHEN difference.is_overridden AND new.renamed_from IS NULL AND old.status = 'active' THEN 'override'
            WHEN new.renamed_from IS NULL AND old.status = 'active' THEN listing.cause
            -- The provider decides what is listed, unless the new rule also finds the model in the previous listing.
            WHEN again.model_id IS NOT NULL THEN 'rule'
            ELSE 'provider'
        END AS cause
    FROM pg_temp.listing_row AS new
    JOIN listing ON listing.provider_id = new.provider_id
    -- LIMIT keeps the planner on the index: only rows to compare are read, not all of these providers.
    LEFT JOIN LATERAL (
        SELECT *
        FROM provider_model AS held
        WHERE held.provider_id = new.provider_id AND held.model_id = coalesce(new.renamed_from, new.model_id)
        LIMIT 1
    ) AS old ON true
    LEFT JOIN pg_temp.listing_row AS again
        ON again.provider_id = new.provider_id AND again.model_id = new.model_id AND again.is_reread
    CROSS JOIN LATERAL (
        SELECT
            coalesce(jsonb_object_agg(field, jsonb_build_array(was, is_now)), '{{}}') AS changed,
            coalesce(
                jsonb_object_agg(field, jsonb_build_array(was, is_now)) FILTER (
                    WHERE again.model_id IS NOT NULL AND was_already IS NOT DISTINCT FROM is_now
                        -- A change of prices has all of them, so that none is in two changes.
                        AND (field NOT IN ({price_columns}) OR again.prices = new.prices)
                ),
                '{{}}'
            ) AS of_rule,
            bool_and(CASE
                WHEN old.overridden_fields || new.overridden_fields = '{{}}' THEN false
                WHEN field = 'overridden_fields' THEN true
                WHEN field IN ('capabilities', 'capability_sources', 'metadata_json', 'prices') THEN NOT EXISTS (
                    SELECT
                    FROM jsonb_object_keys(was || is_now) AS entry
                    WHERE was -> entry IS DISTINCT FROM is_now -> entry
                        AND concat(replace(field, 'capability_sources', 'capabilities'), '.', entry)
                            <> ALL (old.overridden_fields || new.overridden_fields)
                )
                ELSE field = ANY (old.overridden_fields || new.overridden_fields)
            END) AS is_overridden
        -- Only for rows that differ (see the WHERE below). The expressions of VALUES would be compiled anew for each row,
        -- which took three times as long.
        FROM unnest(
            ARRAY['model_id', 'status', 'overridden_fields', 'renamed_to', 'family', {listed_names}],
            ARRAY[
                to_jsonb(old.model_id), to_jsonb(old.status), to_jsonb(old.overridden_fields), to_jsonb(old.renamed_to),
                -- The family follows from the id: only one that a person sets is a change.
                CASE WHEN 'family' = ANY(old.overridden_fields || new.overridden_fields) THEN to_jsonb(old.family) END,
                {old_listed}
            ],
            ARRAY[
                to_jsonb(new.model_id), to_jsonb('active'::text), to_jsonb(new.overridden_fields), NULL,
                CASE WHEN 'family' = ANY(old.overridden_fields || new.overridden_fields) THEN to_jsonb(new.family) END,
                {new_listed}
            ],
            ARRAY['null', 'null', 'null', 'null', 'null', {listed_again}]
        ) AS compared (field, was, is_now, was_already)
        WHERE old.id IS NOT NULL AND was IS DISTINCT FROM is_now
    ) AS difference
    WHERE NOT new.is_reread AND (
        old.id IS NULL
        OR new.renamed_from IS NOT NULL
        OR old.status <> 'active'
        OR old.meta_hash <> new.meta_hash
        OR old.overridden_fields <> new.overridden_fields
        -- Written without a change: nothing else differs.
        OR old.family IS DISTINCT FROM new.family
    )
),
added_model AS (
    INSERT INTO provider_model ({staged}, renamed_from, first_seen_at, last_seen_at, rule_version)
    SELECT
        {new_staged}, arrived.renamed_from, coalesce(arrived.first_seen_at, :now),
        greatest(arrived.first_seen_at, :now), listing.rule_version
    FROM pg_temp.listing_row AS new
    JOIN listing ON listing.provider_id = new.provider_id
    JOIN arrived ON arrived.provider_id = new.provider_id AND arrived.model_id = new.model_id
    WHERE arrived.id IS NULL AND NOT new.is_reread
    ORDER BY new.provider_id, new.model_id COLLATE "C"
),
written_model AS (
    UPDATE provider_model AS old
    SET ({values}) = ROW({new_values}),
        status = 'active',
        missing_count = 0,
        missing_since = NULL,
        removed_at = NULL,
        renamed_to = NULL,
        last_seen_at = greatest(old.last_seen_at, :now),
        rule_version = listing.rule_version
    FROM arrived
    JOIN listing ON listing.provider_id = arrived.provider_id
    JOIN pg_temp.listing_row AS new
        ON new.provider_id = arrived.provider_id AND new.model_id = arrived.model_id AND NOT new.is_reread
    WHERE old.id = arrived.id AND old.provider_id = ANY(CAST(:provider_ids AS bigint[]))
),
withdrawn_model AS (
    UPDATE provider_model AS old
    SET status = absent.status,
        missing_count = absent.missing_count,
        missing_since = coalesce(old.missing_since, :now),
        removed_at = CASE WHEN absent.status = 'removed' THEN CAST(:now AS timestamptz) END,
        renamed_to = coalesce(renamed.model_id, old.renamed_to),
        last_seen_at = absent.last_seen_at
    FROM absent
    LEFT JOIN pg_temp.listing_row AS renamed
        ON renamed.provider_id = absent.provider_id AND renamed.renamed_from = absent.model_id
    WHERE old.id = absent.id AND old.provider_id = ANY(CAST(:provider_ids AS bigint[]))
),
change AS (
    INSERT INTO provider_model_change (
        provider_id, model_id, kind, changed, rule_version, raw_response_id, cause, changed_at
    )
    SELECT
        noticed.provider_id, model_id, kind, changed, listing.rule_version, listing.raw_response_id, noticed.cause, :now
    FROM (
        SELECT provider_id, model_id, kind, changed, cause
        FROM arrived
        WHERE kind <> 'updated' OR cause = 'override'
        UNION ALL
        SELECT provider_id, model_id, kind, of_rule, 'rule'
        FROM arrived
        WHERE kind = 'updated' AND cause <> 'override' AND of_rule <> '{{}}'
        UNION ALL
        SELECT provider_id, model_id, kind, changed - ARRAY(SELECT jsonb_object_keys(of_rule)), cause
        FROM arrived
        WHERE kind = 'updated' AND cause <> 'override' AND changed <> of_rule
        UNION ALL
        SELECT
            absent.provider_id,
            absent.model_id,
            absent.status,
            jsonb_build_object('status', jsonb_build_array(was, absent.status)) || CASE
                WHEN renamed.model_id IS NULL THEN '{{}}'
                ELSE jsonb_build_object('renamed_to', jsonb_build_array(NULL, renamed.model_id))
            END,
            CASE
                WHEN is_overlooked AND (
                    renamed.model_id IS NULL
                    OR EXISTS (
                        SELECT
                        FROM pg_temp.listing_row AS again
                        WHERE again.provider_id = absent.provider_id
                            AND again.model_id = renamed.model_id
                            AND again.is_reread
                    )
                ) THEN 'rule'
                ELSE 'provider'
            END
        FROM absent
        LEFT JOIN pg_temp.listing_row AS renamed
            ON renamed.provider_id = absent.provider_id AND renamed.renamed_from = absent.model_id
        WHERE was <> absent.status
    ) AS noticed
    JOIN listing ON listing.provider_id = noticed.provider_id
    ORDER BY noticed.provider_id, model_id COLLATE "C", noticed.cause DESC
    RETURNING provider_id, model_id, kind, changed, cause
)
SELECT
    listing.provider_id,
    coalesce(counted.totals, '{{}}') AS totals,
    coalesce(counted.changes, 0) AS changes,
    coalesce(shown.first_changes, '[]') AS first_changes
FROM listing
LEFT JOIN (
    SELECT
        provider_id,
        jsonb_object_agg(kind, models) AS totals,
        CAST(sum(changes) AS bigint) AS changes
    FROM (
        SELECT provider_id, kind, count(DISTINCT model_id) AS models, count(*) AS changes
        FROM change
        GROUP BY provider_id, kind
    ) AS counted_by_kind
    GROUP BY provider_id
) AS counted ON counted.provider_id = listing.provider_id
LEFT JOIN (
    SELECT
        provider_id,
        jsonb_agg(
            jsonb_build_object('model_id', model_id, 'kind', kind, 'changed', changed, 'cause', cause) ORDER BY place
        ) AS first_changes
    FROM (
        SELECT
            *,
            row_number() OVER (PARTITION BY provider_id ORDER BY model_id COLLATE "C", cause DESC) AS place
        FROM change
    ) AS ranked
    WHERE place <= :max_changes
    GROUP BY provider_id
) AS shown ON shown.provider_id = listing.provider_id
