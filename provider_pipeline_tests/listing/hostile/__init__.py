"""A provider that misbehaves in every way we know of: one table of behaviours, each with its documented outcome.

Here: the raw-socket server (`server`), what a behaviour is (`behaviour`), the behaviours by where they strike
(`connections`, `bodies`, `statuses`, `redirects`, `paging`, `documents`, `echoes`, `costly`; `table` is all of them),
how one is lived through (`world`), the search for the key (`search`), and the page that shows the table (`document`).
Not here: the tests (`test_hostile`). The concept: whatever a provider does, a sync ends in bounded time and memory with
the outcome that docs/hostile-provider.md promises, and the key is nowhere.
"""

from provider_pipeline_tests.listing.hostile.server import Conversation, HostileServer, answer

__all__ = ["Conversation", "HostileServer", "answer"]
