"""What a listing is read with: while that stays the same, the same listing gives the same rows.

Here: the digest that tells, and whether a provider's last accepted listing can be taken as read when it comes again.
Not here: telling that it is the same listing (`fetching.py`), or what is then left out (`attempt.py`).
"""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from provider_pipeline import catalog
from provider_pipeline.rules import content_digest

_PACKAGE: Final = Path(__file__).parents[1]
_SUFFIXES: Final = frozenset({".py", ".sql", ".toml"})


def reading_basis(provider: catalog.Provider, rule_version: int, overrides: Mapping[str, Any]) -> str:
    """The digest of all but the listing that a sync's rows and verdict depend on.

    The provider's address and credentials are a part of it, since another account may be shown another listing.

    Args:
        provider: The provider.
        rule_version: Its active rule.
        overrides: The overriding values of its models.
    """
    settings = [provider.thresholds, provider.base_url, provider.auth_config, provider.request_config]
    return content_digest([_code_digest(), rule_version, dict(overrides), *settings])


def is_settled(state: catalog.SyncState, basis: str, *, any_missing: bool) -> bool:
    """Whether nothing would come of the last accepted listing if it came again.

    Args:
        state: How the provider's latest sync went.
        basis: What a listing would be read with now.
        any_missing: Whether a model is missing; each further listing without it counts towards its removal.
    """
    return state.consecutive_failures == 0 and state.content is not None and state.basis == basis and not any_missing


@functools.cache
def _code_digest() -> str:
    """Another version of this code may read a listing differently: its families, units, thresholds."""
    digest = hashlib.sha256()
    for path in sorted(path for path in _PACKAGE.rglob("*") if path.suffix in _SUFFIXES):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
