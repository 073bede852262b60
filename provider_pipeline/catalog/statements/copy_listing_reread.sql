COPY pg_temp.listing_reread (
    provider_id, model_id, display_name, family, context_length, max_output_tokens, input_modalities, output_modalities,
    input_price, output_price, capabilities, capability_sources, metadata_json, meta_hash, overridden_fields
) FROM STDIN
