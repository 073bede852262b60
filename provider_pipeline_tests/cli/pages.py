"""The command blocks of README.md and of the pages in docs/, for the tests that run them as written."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]


def text_of(page: str) -> str:
    """A page by its path in the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def commands_with(page: str, text: str) -> list[list[str]]:
    """The arguments of each command of the page's one block that has this text."""
    blocks = re.findall(r"^```\n(.*?)^```", text_of(page), flags=re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if text in block]
    commands = [
        shlex.split(line) for line in block.replace("\\\n", "").splitlines() if line.startswith("provider-pipeline ")
    ]
    assert commands
    return [arguments for _, *arguments in commands]
