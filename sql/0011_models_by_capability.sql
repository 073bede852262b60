-- Which models have a capability, of all providers at once: what few models have is found without reading all of them.

CREATE INDEX provider_model_capabilities_idx ON provider_model USING gin (capabilities jsonb_path_ops);
