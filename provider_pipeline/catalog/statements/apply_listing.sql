-- Makes a provider's rows what the listing says, and records what that changed. Rows that stay the same are only read.
WITH
-- Listed models that are new, back, or different.
arrived AS MATERIALIZED (
    SELECT
        old.id,
        new.model_id,
        CASE
            WHEN old.id IS NULL THEN 'added'
            WHEN old.status <> 'active' THEN 'restored'
            ELSE 'updated'
        END AS kind,
        difference.changed
    FROM pg_temp.listing_row AS new
    LEFT JOIN provider_model AS old ON old.provider_id = :provider_id AND old.model_id = new.model_id
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_object_agg(field, jsonb_build_array(was, is_now)), '{}') AS changed
        FROM (
            VALUES
                ('status', to_jsonb(old.status), to_jsonb('active'::text)),
                ('display_name', to_jsonb(old.display_name), to_jsonb(new.display_name)),
                ('family', to_jsonb(old.family), to_jsonb(new.family)),
                ('context_length', to_jsonb(old.context_length), to_jsonb(new.context_length)),
                ('max_output_tokens', to_jsonb(old.max_output_tokens), to_jsonb(new.max_output_tokens)),
                ('input_modalities', to_jsonb(old.input_modalities), to_jsonb(new.input_modalities)),
                ('output_modalities', to_jsonb(old.output_modalities), to_jsonb(new.output_modalities)),
                ('input_price', to_jsonb(old.input_price), to_jsonb(new.input_price)),
                ('output_price', to_jsonb(old.output_price), to_jsonb(new.output_price)),
                ('capabilities', old.capabilities, new.capabilities),
                ('capability_sources', old.capability_sources, new.capability_sources),
                ('metadata_json', old.metadata_json, new.metadata_json)
        ) AS compared (field, was, is_now)
        WHERE old.id IS NOT NULL AND was IS DISTINCT FROM is_now
    ) AS difference
    WHERE old.id IS NULL OR old.status <> 'active' OR old.meta_hash <> new.meta_hash
),
-- Models the listing leaves out. Removed ones are left alone.
absent AS MATERIALIZED (
    SELECT
        old.id,
        old.model_id,
        old.status AS was,
        old.missing_count + 1 AS missing_count,
        CASE WHEN old.missing_count + 1 >= :removal_after THEN 'removed' ELSE 'missing' END AS status
    FROM provider_model AS old
    WHERE old.provider_id = :provider_id
        AND old.status <> 'removed'
        AND NOT EXISTS (SELECT FROM pg_temp.listing_row AS new WHERE new.model_id = old.model_id)
),
added_model AS (
    INSERT INTO provider_model (
        provider_id, model_id, display_name, family, context_length, max_output_tokens, input_modalities,
        output_modalities, input_price, output_price, capabilities, capability_sources, metadata_json, meta_hash,
        first_seen_at, last_seen_at, rule_version
    )
    SELECT
        :provider_id, new.model_id, new.display_name, new.family, new.context_length, new.max_output_tokens,
        new.input_modalities, new.output_modalities, new.input_price, new.output_price, new.capabilities,
        new.capability_sources, new.metadata_json, new.meta_hash, :now, :now, :rule_version
    FROM pg_temp.listing_row AS new
    JOIN arrived ON arrived.model_id = new.model_id
    WHERE arrived.kind = 'added'
    ORDER BY new.model_id COLLATE "C"
),
written_model AS (
    UPDATE provider_model AS old
    SET display_name = new.display_name,
        family = new.family,
        context_length = new.context_length,
        max_output_tokens = new.max_output_tokens,
        input_modalities = new.input_modalities,
        output_modalities = new.output_modalities,
        input_price = new.input_price,
        output_price = new.output_price,
        capabilities = new.capabilities,
        capability_sources = new.capability_sources,
        metadata_json = new.metadata_json,
        meta_hash = new.meta_hash,
        status = 'active',
        missing_count = 0,
        removed_at = NULL,
        last_seen_at = greatest(old.last_seen_at, :now),
        rule_version = :rule_version
    FROM arrived
    JOIN pg_temp.listing_row AS new ON new.model_id = arrived.model_id
    WHERE old.id = arrived.id
),
withdrawn_model AS (
    UPDATE provider_model AS old
    SET status = absent.status,
        missing_count = absent.missing_count,
        removed_at = CASE WHEN absent.status = 'removed' THEN CAST(:now AS timestamptz) END,
        -- An active row does not know when it was last seen; the last accepted listing does.
        last_seen_at = CASE
            WHEN absent.was = 'active' THEN greatest(old.last_seen_at, (
                SELECT last_success_at FROM provider_sync WHERE provider_id = :provider_id
            ))
            ELSE old.last_seen_at
        END
    FROM absent
    WHERE old.id = absent.id
),
change AS (
    INSERT INTO provider_model_change (provider_id, model_id, kind, changed, rule_version, changed_at)
    SELECT :provider_id, model_id, kind, changed, :rule_version, :now
    FROM (
        SELECT model_id, kind, changed FROM arrived
        UNION ALL
        SELECT model_id, status, jsonb_build_object('status', jsonb_build_array(was, status))
        FROM absent
        WHERE was <> status
    ) AS noticed
    ORDER BY model_id COLLATE "C"
    RETURNING model_id, kind, changed
)
SELECT
    (
        SELECT coalesce(jsonb_object_agg(kind, total), '{}')
        FROM (SELECT kind, count(*) AS total FROM change GROUP BY kind) AS counted
    ) AS totals,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(first_change) ORDER BY model_id COLLATE "C"), '[]')
        FROM (SELECT * FROM change ORDER BY model_id COLLATE "C" LIMIT :most_changes) AS first_change
    ) AS first_changes
