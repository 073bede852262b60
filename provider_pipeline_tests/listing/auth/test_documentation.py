import json
import re
from pathlib import Path
from typing import get_args

from provider_pipeline.listing.auth.credentials import UNSTATED_LIFETIME
from provider_pipeline.listing.auth.kinds import Auth, AuthConfig
from provider_pipeline.listing.auth.secrets import MAX_BYTES

DOCUMENT = (Path(__file__).parents[3] / "docs" / "authentication.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]


def test_the_examples_of_the_documentation_are_understood_and_cover_every_kind() -> None:
    kinds = [AuthConfig.parse(example) for example in EXAMPLES]
    assert [kind.model_dump(exclude_unset=True) for kind in kinds] == EXAMPLES
    assert {type(kind) for kind in kinds} == set(get_args(get_args(Auth)[0]))


def test_the_numbers_of_the_documentation_are_those_of_the_code() -> None:
    assert f"at most {MAX_BYTES // 1024} KiB" in DOCUMENT
    assert UNSTATED_LIFETIME == 5 * 60
    assert "for five minutes" in DOCUMENT
