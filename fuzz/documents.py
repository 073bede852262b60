"""Turns a fuzzer's bytes into JSON that resembles listings and rules.

Keys and texts mostly come from small vocabularies, so that the code behind known keys is reached.
"""

from typing import Any, Final

import atheris

# fmt: off
SAMPLE_KEYS: Final = [
    "id", "data", "models", "object", "list", "name", "pricing", "prompt", "completion", "input", "output", "unit",
    "created", "context_length", "model", "architecture", "max_output_tokens", "max_completion_tokens",
    "input_modalities", "output_modalities", "modality", "capabilities", "supported_parameters", "top_provider",
    "owned_by", "next", "nextPageToken", "has_more", "last_id", "pagination", "page", "total", "type", "task",
    "endpoints", "errors", "_key", "_label",
]
RULE_KEYS: Final = [
    "jmespath_rule", "model_list_config", "endpoints_config", "selector", "endpoint", "endpoints", "path", "fields",
    "units", "pagination", "expect", "capability_rules", "capability", "patterns", "regex", "lookup_table",
    "evidence", "counter_evidence", "unsure_evidence", "weak_evidence", "metadata",
    "confidence", "issues", "id", "name", "context_length",
    "input_price", "input_modalities", "by", "values", "type", "param", "token", "more", "id_type",
    "rejected_share", "unreadable", "chat", "tools",
]
# fmt: on
TEXTS: Final = (
    "",
    "gpt-4o",
    "acme/quux-7b:free",
    "de7d3faf-762f-48e0-b3b7-9d0ac3a3fcf3",
    "0.0000025",
    "128K",
    "-1",
    "1e400",
    "text+image->text",
    "true",
    "\x00",
    "\ud800",
    "\u0130d\u0307",
    "\uff47pt-4o",
    "data[*]",
    "[@,@][]",
    "*.with_keys(@)[]",
    "id || name",
    "join('/', [owner, name])",
    "split(a, ',')",
    "map(&[@,@], @)",
    "sort_by(@, &id)",
    "(a|b)*c{1,900}",
    "!gpt-.*",
    "?.*",
    "(?i)[\\p{L}]{1,500}",
    "usd_per_token",
    "cursor",
    "next_url",
    "string",
    "integer",
    "contains(a, 'x')",
)
NUMBERS: Final = (0, -1, 1, 0.5, 4096, 128_000, 2**53, 2**63, -(2**64), 10**30, 1e308, float("inf"), float("nan"))


class Documents:
    """Draws values from a fuzzer's bytes; objects mostly have keys out of `keys`."""

    def __init__(self, data: bytes, keys: list[str]) -> None:
        self._draw = atheris.FuzzedDataProvider(data)
        self._keys = keys

    def value(self, depth: int = 6) -> Any:  # noqa: PLR0911  # one return per kind of value
        """A JSON value, nested at most `depth` levels."""
        kind = self._draw.ConsumeIntInRange(0, 11 if depth else 6)
        if kind <= 2:
            return self.text()
        if kind == 3:
            return self._draw.PickValueInList(list(NUMBERS))
        if kind == 4:
            return self._draw.ConsumeInt(9)
        if kind == 5:
            return self._draw.PickValueInList([None, True, False])
        if kind == 6:
            return self._draw.ConsumeFloat()
        if kind <= 9:
            return {self._key(): self.value(depth - 1) for _ in range(self._draw.ConsumeIntInRange(0, 6))}
        items = [self.value(depth - 1) for _ in range(self._draw.ConsumeIntInRange(0, 4))]
        return items * self._draw.PickValueInList([1, 1, 1, 7])

    def text(self) -> str:
        """A text, often a known one."""
        if self._draw.ConsumeBool():
            return str(self._draw.PickValueInList(list(TEXTS)))
        return str(self._draw.ConsumeUnicode(self._draw.ConsumeIntInRange(0, 40)))

    def _key(self) -> str:
        return str(self._draw.PickValueInList(self._keys)) if self._draw.ConsumeIntInRange(0, 7) else self.text()
