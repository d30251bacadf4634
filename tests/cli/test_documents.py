"""`ipsync documents`: a line a document, whatever its title; everything about one."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.command_line import Outcome, Terminal
from tests.fakes.site import SiteMirror

On = Callable[..., Outcome]

HOSTILE = "\x1b]0;owned\x07 [red]all[/red] \u202egnp.exe\nsecond line " + "x" * 200


def some(mirror: SiteMirror) -> str:
    return min(mirror.site.permitted(0))


def retitle(mirror: SiteMirror, document_id: str, title: str) -> None:
    async def step(works: Any) -> None:
        def change(tx: Any) -> None:
            document = tx.documents([int(document_id)])[int(document_id)]
            tx.update_documents([replace(document, facts=replace(document.facts, title=title))])

        await works.base.catalog.write(change)

    mirror.work(step)


def test_pages_follow_each_other(on: On, mirror: SiteMirror) -> None:
    seen: list[str] = []
    after = "0"
    while after:
        page = json.loads(on(mirror, "documents", "list", "--limit", "5", "--after", after, "--json").out)
        seen += [row["document_id"] for row in page["documents"]]
        after = page["next_after"]

    assert seen == sorted(mirror.site.permitted(0) | mirror.site.permitted(1), key=int)
    assert "There may be more: --after " in on(mirror, "documents", "list", "--limit", "5").out


def test_of_one_member_in_one_state(on: On, mirror: SiteMirror) -> None:
    member = mirror.site.members[1]
    words = ("documents", "list", "--account", member.username, "--json")

    live = json.loads(on(mirror, *words, "--state", "live").out)["documents"]

    assert {row["document_id"] for row in live} == set(mirror.site.permitted(1))
    assert {row["account_id"] for row in live} == {str(member.user_id)}
    assert all(row["served"] for row in live)
    assert json.loads(on(mirror, *words, "--state", "stale").out) == {"documents": [], "next_after": None}


@pytest.mark.parametrize("words", [("--state", "foo"), ("--limit", "0"), ("--limit", "x"), ("--after", "-1")])
def test_wrong_questions(on: On, mirror: SiteMirror, words: tuple[str, str]) -> None:
    shown = on(mirror, "documents", "list", *words)

    assert shown.code == 2
    assert shown.err


def test_a_hostile_title_stays_on_its_line(on: On, mirror: SiteMirror) -> None:
    retitle(mirror, some(mirror), HOSTILE)
    number = len(mirror.site.permitted(0) | mirror.site.permitted(1))

    piped = on(mirror, "documents", "list").out
    assert len(piped.splitlines()) == number + 1
    assert "\\x1b]0;owned\\x07 [red]all[/red] \\u202egnp.exe\\nsecond line" in piped

    with Terminal("documents", "list", env=mirror.env | {"COLUMNS": "80"}, keep_escapes=True) as terminal:
        seen = terminal.end().out
    assert len(seen.splitlines()) == number + 1
    assert max(map(len, seen.splitlines())) <= 80
    assert "\x1b]0" not in seen
    assert "\u202e" not in seen


def test_everything_about_one(on: On, mirror: SiteMirror) -> None:
    people = on(mirror, "documents", "show", some(mirror))
    row = json.loads(on(mirror, "documents", "show", some(mirror), "--json").out)

    assert people.code == 0
    assert "state         live: verified and served" in people.out
    assert "UTC (" in people.out
    assert row["document_id"] == some(mirror)
    assert {entry["rendition"]: entry["state"] for entry in row["renditions"]} == {
        "240": "stored",
        "original": "stored",
    }
    assert row["tombstone"] is None
    assert row["removals"] == []


def test_what_is_gone_is_remembered_by_number(on: On, mirror: SiteMirror) -> None:
    document_id, token = some(mirror), mirror.site.permitted(0)[some(mirror)]["token"]
    on(mirror, "account", "remove", mirror.site.members[0].username, "--yes")

    people = on(mirror, "documents", "show", document_id)
    row = json.loads(on(mirror, "documents", "show", document_id, "--json").out)

    assert "state  gone: erased; only its number is remembered" in people.out
    assert "owner-request" in people.out
    assert token not in people.out
    assert row["state"] == "gone"
    assert row["removals"][0]["stage"] == "gone"
    assert row["tombstone"]["reason"] == "owner-request"


def test_what_was_never_here(on: On, mirror: SiteMirror) -> None:
    shown = on(mirror, "documents", "show", "1")

    assert shown.code == 1
    assert "document 1 is not known here" in shown.err


def test_documents_of_a_hidden_account_are_not_served(on: On, own_mirror: SiteMirror) -> None:
    own_mirror.site.change(lambda world: world.state.revoke(world.members[0]))
    on(own_mirror, "sync", own_mirror.site.members[0].username)

    row = json.loads(on(own_mirror, "documents", "show", some(own_mirror), "--json").out)

    assert row["state"] == "gone" or row["served"] is False
