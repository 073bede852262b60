"""Rules within every limit on their text that ask for as much work, memory or output as they can."""

from collections.abc import Iterator
from typing import Any

Rule = dict[str, Any]
CAPABILITIES = [f"capability_{number}" for number in range(100)]


def models(count: int) -> dict[str, Any]:
    """A listing of models as rich as most."""
    return {
        "data": [
            {
                "id": f"acme/model-{number}-{number % 7}b-instruct",
                "name": f"Model {number}",
                "owner": "acme",
                "description": "A model that answers questions and writes programs. " * 4,
                "context_length": 8192 * (1 + number % 16),
                "pricing": {"prompt": f"0.00000{number % 9 + 1}", "completion": "0.00001"},
                "tags": ["chat", "tools", f"t{number % 50}"],
                "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            }
            for number in range(count)
        ]
    }


def rule(selector: str = "data[*]", *, fields: dict[str, str] | None = None, **capabilities: Any) -> Rule:
    """A rule document."""
    return {
        "jmespath_rule": selector,
        "fields": {"id": "id"} | (fields or {}),
        "capability_rules": [{"capability": name, "patterns": parts} for name, parts in capabilities.items()],
    }


def many(expression: str, count: int = 62) -> Rule:
    """A rule whose metadata fields all say the same, each in a text of its own."""
    return rule(fields={f"field_{number}": expression.replace("NUMBER", str(number)) for number in range(count)})


def numbers(count: int) -> str:
    """A literal list."""
    return "`[" + ",".join(["1"] * count) + "]`"


def predicates(text: str, count: int) -> Rule:
    """A rule with as many predicates as a capability may have, for as many capabilities as that takes."""
    texts = [text.replace("NUMBER", str(number)) for number in range(count)]
    return rule(**{name: {"evidence": part} for name, part in _split(texts, 200)})


def patterns(texts: list[str]) -> Rule:
    """A rule with these patterns, split over capabilities."""
    return rule(**{name: {"regex": part} for name, part in _split(texts, 1_900)})


def _split(texts: list[str], size: int) -> Iterator[tuple[str, list[str]]]:
    for position, start in enumerate(range(0, len(texts), size)):
        yield CAPABILITIES[position], texts[start : start + size]


_COPIES = "[" + ",".join(["@"] * 16) + "][]"
_NAMED = "[" + ",".join(f"{{id: join('-', [id, '{n}'])}}" for n in range(5)) + "]"
_BIG_TEXT = "'" + "x" * 1_000 + "'"

ATTACKS: dict[str, Rule] = {
    "joins": many(f"join({_BIG_TEXT}, [" + ",".join(["name"] * 21) + "])", 55),
    "long joins": many("join('', [" + ",".join(["to_string(@)"] * 4) + "])"),
    "joins of joins": many("join(description, map(&description, `[" + ",".join(["1"] * 200) + "]`))"),
    "whole items as metadata": many("@"),
    "copied items as metadata": many("[" + ",".join(["@"] * 16) + "].[" + ",".join(["@"] * 16) + "]"),
    "nested multi-selects as metadata": many("[@,@].[@,@].[@,@].[@,@].[@,@].[@,@].[@,@].[@,@]"),
    "one text in every field": many("description"),
    "one constant in every field": many("'" + "x" * 1_900 + "NUMBER'"),
    "texts of whole items": many("to_string(@)"),
    "copies in the selector": rule(f"data | {_COPIES} | {_COPIES}[]"),
    "copies of each item": rule(f"data[*].{_COPIES}"),
    "named copies of each item": rule(f"data[*].{_NAMED}[]"),
    "copied pages as texts": rule(f"split(join('', data[*].{_COPIES}.id), '-')"),
    "the page as a text": rule(f"{_COPIES} | to_string(@) | split(@, ':')"),
    "texts of texts": rule("split(to_string({a: to_string({b: to_string({c: to_string(@)})})}), '\"')"),
    "maps of literals": rule(
        f"data[*].map(&map(&map(&map(&@, {numbers(180)}), {numbers(180)}), {numbers(180)}), {numbers(180)})"
    ),
    "maps of literals in a field": many(f"map(&map(&map(&@, {numbers(250)}), {numbers(250)}), {numbers(250)})"),
    "projections of literals": many(f"{numbers(300)}[*].[{numbers(100)}[*].[{numbers(100)}]]"),
    "items out of literals": rule(f"data[*].[{numbers(900)}][][].{{id: to_string(@)}}"),
    "sorted again and again": rule(" | ".join(["sort_by(data, &description) | {data: @}"] * 30) + " | data"),
    "largest of all, again and again": many("max_by(`[" + ",".join(['{"a":1}'] * 180) + "]`, &a)"),
    "flattened copies": rule(f"{_COPIES[:-2]} | [].data[] | {_COPIES} | [] | [] | []"),
    "a large value compared": rule(f"[[data,data],[data,data]] | [?@ != `{numbers(100)[1:-1]}`][][]"),
    "copies compared": rule("{a: data[*].{x: @}, b: data[*].{x: @}} | [a,b] | [?@ == @][]"),
    "looked for in copies": rule("data[?contains(tags, tags)]"),
    "records": rule("records(data[*].id, [data[*].name, data[*].name, data[*].owner][])"),
    "labels upon labels": rule("labelled(" * 20 + "data" + ", 'x')" * 20),
    "merged": many("merge(" + ",".join(["@"] * 300) + ")"),
    "thousands of predicates": predicates("tags[NUMBER] == 'x' || description == 'NUMBER'", 2_500),
    "thousands of plain predicates": predicates("a.bNUMBER", 6_000),
    "thousands of searches": predicates("contains(description, 'q NUMBER')", 2_000),
    "filters as predicates": predicates("tags[?@ == 'NUMBER'] || @.*.*", 1_500),
    "lookup tables": rule(
        chat={"lookup_table": {f"model-{number}-{number % 7}b-instruct": ["chat"] for number in range(100_000)}}
    ),
    "lookups of many names": rule(
        chat={"lookup_table": {f"model-{number}-{number % 7}b-instruct": CAPABILITIES for number in range(3_000)}}
    ),
    "thousands of patterns": patterns([f".*model.{{0,{5 + number % 5}}}{number}.*" for number in range(9_900)]),
    "thousands of large patterns": patterns([f"(?:a{number}?b?c?){{300}}" for number in range(9_900)]),
    "nested repetitions": patterns(["((a{1000}){1000})"]),
    "repetitions": patterns([f"((a{{30}}){{30}}|x{number})*" for number in range(2_000)]),
    "optional letters": patterns(["a?" * 900 + str(number) for number in range(75)]),
    "Unicode classes": patterns(["[\\pL\\PL]" * 240 + str(number) for number in range(75)]),
    "patterns of many states": patterns([f".*[a-m][a-z0-9-]{{{3 + n % 24}}}{n}" for n in range(3_000)]),
    "a pattern for all capabilities": rule(
        **{name: {"regex": [f".*{letter}.*" for letter in "abcdefghijklmnopqrstuvwxyz"] * 50} for name in CAPABILITIES}
    ),
    "many endpoints": {
        "endpoints": [
            {"selector": "data[*]", "fields": {"id": "id"} | {f"e{n}_{m}": "description" for m in range(62)}}
            for n in range(32)
        ],
        "capability_rules": [],
    },
    "many endpoints with expressions": {
        "endpoints": [
            {
                "selector": f"data[*].{{id: id, a: @, b: '{n}'}}",
                "fields": {"id": "id"} | {f"e{n}_{m}": "join('', [a.name, b, a.id])" for m in range(62)},
            }
            for n in range(32)
        ],
        "capability_rules": [],
    },
}
