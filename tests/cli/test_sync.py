"""`ipsync sync`: one pass without a daemon."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror, empty_mirror

On = Callable[..., Outcome]


def test_a_pass_tells_people_what_it_did(on: On, own_mirror: SiteMirror) -> None:
    site = own_mirror.site
    number = len(site.permitted(0) | site.permitted(1))
    token_of = {identity: entry["token"] for identity, entry in site.permitted(0).items()}
    first, second, third = sorted(token_of)[:3]
    site.change(lambda world: world.state.library.delete(world.state.library.get(int(first))))
    site.change(lambda world: world.state.library.set_share(world.state.library.get(int(second)), 0, 1))

    shown = on(own_mirror, "sync")

    assert shown.code == 0, shown.err
    assert f": 0 new, 0 changed, {number - 2} as before, " in shown.out
    assert "Gone: 2 missing; 2 confirmed, 0 false alarms, 2 erased." in shown.out
    assert "Files: 0 fetched (0 B)." in shown.out
    copies = own_mirror.copies({token_of[first], token_of[second], token_of[third]})
    assert (copies[token_of[first]], copies[token_of[second]]) == (0, 0)
    assert copies[token_of[third]] > 0


def test_a_dry_run_tells_and_changes_nothing(on: On, own_mirror: SiteMirror) -> None:
    site = own_mirror.site
    gone = min(site.permitted(0))
    site.change(lambda world: world.state.library.delete(world.state.library.get(int(gone))))
    before = len(own_mirror.files())

    people = on(own_mirror, "sync", "--dry-run")
    rows = json.loads(on(own_mirror, "sync", "--dry-run", "--json").out)["accounts"]

    assert people.code == 0
    assert people.out.startswith("What a sync would do; nothing was changed.\n")
    assert people.out.splitlines()[1].split() == (
        ["id", "member", "pages", "named", "new", "changed", "as", "before", "hidden", "not", "permitted"]
    )
    row = next(row for row in rows if row["account_id"] == str(site.members[0].user_id))
    assert (row["would_hide"], row["would_add"], row["would_renew"]) == (1, 0, len(site.permitted(0)))
    assert row["documents_named"] == row["would_renew"] + row["not_permitted"]
    assert len(own_mirror.files()) == before
    assert json.loads(on(own_mirror, "documents", "show", gone, "--json").out)["state"] == "live"


def test_one_account_only(on: On, mirror: SiteMirror) -> None:
    member = mirror.site.members[1]

    done = json.loads(on(mirror, "sync", member.username, "--json").out)

    assert (done["accounts"], done["sweeps"]) == (1, 1)
    assert done["renewed"] == len(mirror.site.permitted(1))


def test_who_is_not_read_is_said(on: On, mirror: SiteMirror, tmp_path: Path) -> None:
    member = mirror.site.members[0]
    assert on(mirror, "account", "pause", member.username).code == 0

    paused = on(mirror, "sync", member.username)
    assert paused.code == 1
    assert f"{member.username} ({member.user_id}) is paused and not read" in paused.err
    assert "ipsync account resume" in paused.err

    assert on(mirror, "sync", "nobody").code == 1
    empty = empty_mirror(tmp_path / "empty", mirror.site)
    for words in (("sync",), ("sync", "--dry-run")):
        shown = on(empty, *words)
        assert (shown.code, "`ipsync account add`" in shown.out) == (0, True)


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_F10_an_ipernity_in_trouble_takes_nothing_away(on: On, own_mirror: SiteMirror, words: tuple[str, ...]) -> None:
    own_mirror.site.fault("html", ["*"], seconds=60)
    before = len(own_mirror.files())

    shown = on(own_mirror, "sync", *words)

    assert shown.code == 1
    assert "Traceback" not in shown.err
    assert len(own_mirror.files()) == before
    if words:
        assert len(json.loads(shown.out)["failures"]) == 2
    else:
        assert shown.err.count(": not read to its end: ") == 2
    assert on(own_mirror, "sync", "--dry-run").code == 1


def test_F20_a_quota_that_is_reached_ends_it_with_the_reason(on: On, own_mirror: SiteMirror) -> None:
    own_mirror.site.fault("api_error", ["doc.getList"], seconds=60, value=113)

    shown = on(own_mirror, "sync")

    assert shown.code == 1
    assert "stopped early: " in shown.err
    assert "run it again later" in shown.err
    status = on(own_mirror, "status")
    assert "ipernity's quota is reached; asked again in " in status.out
