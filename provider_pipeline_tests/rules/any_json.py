"""Hypothesis strategies for any JSON, and the settings of slow properties."""

from hypothesis import HealthCheck, settings, strategies as st

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["id", "name", "data", "models", "pricing", "input", "type", "unit", "gpt-4o", "\x00", "\ud800", "a.b", "'`\"\\"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just(10**400)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=5), max_leaves=25
)
QUICK = settings(max_examples=80, suppress_health_check=list(HealthCheck))
