"""Exported responses are imported unchanged; invalid files are refused."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from provider_pipeline import catalog
from provider_pipeline.errors import ListingUnreadableError, UnknownProviderError
from provider_pipeline.sync.archive import exported, import_response
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

BODIES = {
    "a listing": json.dumps(listing(*CHAT_MODELS)).encode(),
    "big integers": b'{"data": [{"id": "a", "n": 123456789012345678901234567890}]}',
    "halves of surrogate pairs": b'{"data": ["\\ud800"]}',
    "null": b"null",
    "what is not JSON": bytes(range(256)),
    "a web page": b"<html>",
    "nothing": b"",
    "deep nesting": b"[" * 99 + b"]" * 99,
}


def store(fleet: Fleet, slug: str, *bodies: bytes) -> int:
    pages = [
        catalog.raw_responses.StoredPage(
            n // 2, n, "https://x.example/v1/models", body, status=200, headers={"etag": f'"{n}"'}
        )
        for n, body in enumerate(bodies)
    ]
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        raw = catalog.raw_responses.store(session, provider_id, pages, complete=True)
        session.commit()
    return raw.id


def export(fleet: Fleet, raw_response_id: int, path: Path) -> dict:
    with fleet.database.session() as session, path.open("w", encoding="ascii") as opened:
        opened.writelines(exported(session, raw_response_id))
    return json.loads(path.read_text())


def take(fleet: Fleet, slug: str, path: Path) -> catalog.raw_responses.RawResponseRef:
    with fleet.database.session() as session:
        raw = import_response(session, slug, path)
        session.commit()
    return raw


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_an_exported_response_has_the_same_content_when_it_is_imported(fleet: Fleet, tmp_path: Path, body: bytes):
    fleet.add("acme")
    fleet.add("twin")
    raw = store(fleet, "acme", body, b"{}", body)
    document = export(fleet, raw, tmp_path / "x.json")
    assert (document["provider"], document["complete"], len(document["pages"])) == ("acme", True, 3)
    with fleet.database.session() as session:
        original = catalog.raw_responses.get(session, raw)
    again = take(fleet, "acme", tmp_path / "x.json")
    twin = take(fleet, "twin", tmp_path / "x.json")
    assert (again.id, again.is_new, twin.is_new) == (raw, False, True)
    with fleet.database.session() as session:
        copy = catalog.raw_responses.get(session, twin.id)
        pages = list(catalog.raw_responses.stored_pages(session, twin.id))
    assert (copy.sha256, copy.fetched_at, copy.complete) == (original.sha256, original.fetched_at, True)
    assert [(page.endpoint, page.number, page.status, page.headers["etag"]) for page in pages] == [
        (0, 0, 200, '"0"'),
        (0, 1, 200, '"1"'),
        (1, 2, 200, '"2"'),
    ]


def test_a_plain_body_is_stored_as_incomplete_and_can_be_replayed(fleet: Fleet, tmp_path: Path):
    fleet.add("acme")
    file = tmp_path / "models.json"
    file.write_bytes(b'\xef\xbb\xbf{"data": [ ]}')
    raw = take(fleet, "acme", file)
    with fleet.database.session() as session:
        (page,) = catalog.raw_responses.stored_pages(session, raw.id)
        assert not catalog.raw_responses.get(session, raw.id).complete
    assert (page.url, page.content) == ("file:models.json", file.read_bytes())


BROKEN = {
    "not JSON": (lambda _: "<html>", "web page"),
    "another format": (lambda d: json.dumps(d | {"format": "x"}), "format"),
    "no page": (lambda d: json.dumps(d | {"pages": []}), "pages"),
    "a key too many": (lambda d: json.dumps(d | {"more": 1}), "more"),
    "no time zone": (lambda d: json.dumps(d | {"fetched_at": "2026-11-01T12:00:00"}), "fetched_at"),
    "a page twice": (lambda d: json.dumps(d | {"pages": d["pages"] * 2}), "two pages"),
    "two bodies": (lambda d: json.dumps(d | {"pages": [d["pages"][0] | {"body_base64": "e30="}]}), "either"),
    "a URL with control characters": (lambda d: json.dumps(d | {"pages": [d["pages"][0] | {"url": "x\0"}]}), "url"),
    "not a number": (lambda d: json.dumps(d | {"pages": [d["pages"][0] | {"body": float("nan")}]}), "NaN"),
}


@pytest.mark.parametrize(("broken", "named"), BROKEN.values(), ids=BROKEN.keys())
def test_an_invalid_file_is_refused_with_the_reason(fleet: Fleet, tmp_path: Path, broken, named):
    fleet.add("acme")
    file = tmp_path / "x.json"
    document = export(fleet, store(fleet, "acme", b"{}"), file)
    file.write_text(broken(document))
    with pytest.raises(ListingUnreadableError, match=named) as raised:
        take(fleet, "acme", file)
    assert "\n" not in str(raised.value)


def test_secrets_in_urls_and_unknown_headers_are_not_imported(fleet: Fleet, tmp_path: Path):
    fleet.add("acme")
    file = tmp_path / "x.json"
    document = export(fleet, store(fleet, "acme", b"{}"), file)
    document["pages"][0] |= {
        "url": "https://user:hunter2@x.example/v1?api_key=hunter2",
        "headers": {"ETag": '"1"', "Set-Cookie": "hunter2"},
        "body": {"new": 1},
    }
    file.write_text(json.dumps(document))
    raw = take(fleet, "acme", file)
    with fleet.database.session() as session:
        (page,) = catalog.raw_responses.stored_pages(session, raw.id)
    assert "hunter2" not in f"{page.url} {page.headers}"
    assert page.headers == {"etag": '"1"'}


def test_a_file_of_an_unknown_provider_is_refused(fleet: Fleet, tmp_path: Path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UnknownProviderError):
        take(fleet, "nobody", tmp_path / "x.json")


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+23:59", "1999-12-31T23:59:59+00:00", "2999-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"],
)
def test_an_implausible_fetch_time_is_refused(fleet: Fleet, tmp_path: Path, moment: str):
    fleet.add("acme")
    file = tmp_path / "x.json"
    document = export(fleet, store(fleet, "acme", b"{}"), file)
    file.write_text(json.dumps(document | {"fetched_at": moment}))
    with pytest.raises(ListingUnreadableError, match=r"fetched_at .* expected a time between the year 2000 and now"):
        take(fleet, "acme", file)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("0001-01-01T00:00:00+15:59", "2026-01-01"),
        ("4000-01-01 BC", "10000-01-01"),
        ("-infinity", "infinity"),
        ("2026-01-01", "9999-12-31T23:59:59-15:59"),
    ],
)
def test_a_time_that_python_cannot_hold_does_not_break_what_is_stored(fleet: Fleet, first: str, last: str):
    fleet.add("acme")
    raw = store(fleet, "acme", b"{}")
    with fleet.database.session() as session:
        session.execute(
            text("UPDATE raw_response SET fetched_at = :first, last_fetched_at = :last"), {"first": first, "last": last}
        )
        session.commit()
        listed = catalog.raw_responses.list_raw_responses(session)
        one = catalog.raw_responses.get(session, raw)
        assert "".join(exported(session, raw))
    assert one in listed
    assert one.fetched_at <= one.last_fetched_at


@pytest.mark.parametrize("whole", [False, True])
def test_keys_in_a_file_are_masked_before_it_is_stored(fleet: Fleet, tmp_path: Path, whole: bool):
    fleet.add("acme")
    body = {"data": [{"id": "a", "apiKey": "abc"}], "note": "ghp_R7tY9zB4cD6fG1hJ0kNVq3nX8mK2pL5wA1b2"}
    page = {"endpoint": 0, "number": 1, "url": "https://x.example", "status": 200, "headers": {}, "body": body}
    document = {
        "format": "provider-pipeline raw response 1",
        "provider": "acme",
        "fetched_at": "2026-11-01T00:00:00Z",
        "complete": True,
        "pages": [page],
    }
    (tmp_path / "x.json").write_text(json.dumps(document if whole else body))
    raw = take(fleet, "acme", tmp_path / "x.json")
    with fleet.database.session() as session:
        stored = catalog.raw_responses.load_page(session, raw.id, endpoint=0, number=int(whole or 1))
    assert json.loads(stored.content) == {"data": [{"id": "a", "apiKey": "***"}], "note": "***"}
