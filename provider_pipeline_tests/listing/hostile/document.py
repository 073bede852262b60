"""Writes the page docs/hostile-provider.md from the table.

Run `python -m provider_pipeline_tests.listing.hostile.document > docs/hostile-provider.md`.
"""

import sys
from typing import Final

from provider_pipeline_tests.listing.hostile.behaviour import Behaviour
from provider_pipeline_tests.listing.hostile.table import BEHAVIOURS, CHAPTERS

COMMAND: Final = "python -m provider_pipeline_tests.listing.hostile.document > docs/hostile-provider.md"

_HEAD: Final = """# What a hostile provider can do

{count} behaviours of a provider, or of something between it and us, and the outcome of a sync for each. The tests run
a sync against every one of them, for a provider that had rows before, and check that:

- The sync ends with the outcome below, in bounded time and memory, and leaves no thread behind.
- The sync's thread takes at most its deadline plus two seconds of processor time.
- Unless the outcome is `synced`, no row of the provider is touched.
- A `RULE_GEN` task is opened only if a complete listing came and the rule does not fit it (`RuleValidationError`).
- No other host gets a request.
- Neither the provider's key nor other people's keys that it lists are in any table, log, event, error or traceback. (A
  provider that hides its own key, reversed or encrypted, is beyond this.)

"Requests" is how many the provider gets: "some" where that depends on timing. Of the error text, only the part that the
tests look for is shown.

This page is generated from the tests' table: `{command}`.
"""


def document() -> str:
    """The whole page."""
    parts = [_HEAD.format(count=len(BEHAVIOURS), command=COMMAND)]
    for chapter, behaviours in CHAPTERS.items():
        parts.append(f"\n## {chapter}\n\n| behaviour | what the provider does | requests | outcome | error text |\n")
        parts.append("|---|---|---|---|---|\n")
        parts += [_line(behaviour) for behaviour in behaviours]
    return "".join(parts)


def _line(behaviour: Behaviour) -> str:
    said = f"… {behaviour.says} …".replace("|", "\\|") if behaviour.says else ""
    asked = "some" if behaviour.asked is None else behaviour.asked
    return f"| {behaviour.name} | {behaviour.does} | {asked} | `{behaviour.outcome_name}` | {said} |\n"


if __name__ == "__main__":
    sys.stdout.write(document())
