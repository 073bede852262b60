-- Evidence that only names a protocol or a medium counts less than a model's name.

COMMENT ON COLUMN provider_model.capability_sources IS
    'Capability to where it was learnt: override, evidence, lookup_table, regex or weak_evidence.';
