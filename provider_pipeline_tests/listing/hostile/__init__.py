"""A provider that misbehaves in every way we know of: a table of behaviours, each with its promised outcome.

`behaviour` defines an entry and `table` collects them; `world` runs a sync against one on `server`, `search` looks for
leaked keys, and `document` writes docs/hostile-provider.md. The tests are in `test_hostile`.
"""

from provider_pipeline_tests.listing.hostile.server import Conversation, HostileServer, answer

__all__ = ["Conversation", "HostileServer", "answer"]
