"""The page docs/hostile-provider.md, from the table.

Here: the page's text. Run `python -m provider_pipeline_tests.listing.hostile.document > docs/hostile-provider.md` to
write it anew.
"""

import sys
from typing import Final

from provider_pipeline_tests.listing.hostile.behaviour import Behaviour
from provider_pipeline_tests.listing.hostile.table import BEHAVIOURS, CHAPTERS

COMMAND: Final = "python -m provider_pipeline_tests.listing.hostile.document > docs/hostile-provider.md"

_HEAD: Final = """# What a hostile provider can do

{count} behaviours of a provider, or of somebody between it and us, and what a sync makes of each. The tests live
through all of them, with a provider that had rows before, and keep these promises for every one:

- The sync ends with the outcome below, in bounded time and memory, and leaves no thread behind.
- Its thread takes at most two seconds of processor time more than its deadline.
- Unless the outcome is `synced`, no row of the provider is touched.
- A `RULE_GEN` task is opened only when a whole listing came and the rule does not fit it: a `RuleValidationError`.
- No other host is ever asked, and the provider's key is in no table, log, event, error or traceback, and neither are
  other people's keys that it lists. (A provider that hides its own key, reversed or encrypted, is beyond this.)

This page is made from the tests' table: `{command}`.
"""


def document() -> str:
    """The whole page."""
    parts = [_HEAD.format(count=len(BEHAVIOURS), command=COMMAND)]
    for chapter, behaviours in CHAPTERS.items():
        parts.append(
            f"\n## {chapter}\n\n| behaviour | what the provider does | requests | outcome | what is said of it |\n"
        )
        parts.append("|---|---|---|---|---|\n")
        parts += [_line(behaviour) for behaviour in behaviours]
    return "".join(parts)


def _line(behaviour: Behaviour) -> str:
    said = f"… {behaviour.says} …".replace("|", "\\|") if behaviour.says else ""
    asked = "some" if behaviour.asked is None else behaviour.asked
    return f"| {behaviour.name} | {behaviour.does} | {asked} | `{behaviour.outcome_name}` | {said} |\n"


if __name__ == "__main__":
    sys.stdout.write(document())
