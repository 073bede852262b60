-- What people state of a provider's rule: generated rules keep it.

ALTER TABLE provider
    ADD stated_rule jsonb NOT NULL DEFAULT '{}'::jsonb,
    ADD CONSTRAINT provider_stated_rule_is_object CHECK (jsonb_typeof(stated_rule) = 'object');

COMMENT ON COLUMN provider.stated_rule IS
    'The parts of its rule that a person states (selector, fields, units, pagination; or these by path, under '
    'endpoints): a generated rule keeps them. A field or unit of null is left out of the rule.';
