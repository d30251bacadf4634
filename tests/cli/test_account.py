"""`ipsync account`: what people read, what scripts rely on, and what becomes of the copies."""

import io
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ipsync.process import OneProcessLock
from tests.fakes.command_line import COMMAND, PATIENCE_SECONDS, ROOT, Outcome, Terminal
from tests.fakes.site import SiteMirror, empty_mirror, is_root

On = Callable[..., Outcome]


def member_id(mirror: SiteMirror, member: int) -> str:
    return str(mirror.site.members[member].user_id)


def name(mirror: SiteMirror, member: int) -> str:
    return str(mirror.site.members[member].username)


def test_the_list_tells_people_how_long_ago(on: On, mirror: SiteMirror) -> None:
    shown = on(mirror, "account", "list")

    assert shown.code == 0
    heading, *rows = shown.out.splitlines()
    assert heading.split() == ["id", "member", "state", "served", "hidden", "files", "size", "oldest", "check"]
    assert [row.split()[:5] for row in rows] == [
        [member_id(mirror, index), name(mirror, index), "active", str(len(mirror.site.permitted(index))), "0"]
        for index in (0, 1)
    ]
    assert all(row.endswith(("s ago", "min ago")) for row in rows)
    assert max(map(len, shown.out.splitlines())) < 80


def test_the_list_for_scripts(on: On, mirror: SiteMirror) -> None:
    row = json.loads(on(mirror, "account", "list", "--json").out)["accounts"][0]

    assert row["account_id"] == member_id(mirror, 0)
    assert row["permissions"] == {"doc": "read"}
    assert row["documents"]["live"] == len(mirror.site.permitted(0))
    assert row["oldest_verified_at"].endswith("Z")
    assert "T" in row["added_at"]


def test_without_accounts_the_next_step_is_named(on: On, mirror: SiteMirror, tmp_path: Path) -> None:
    empty = empty_mirror(tmp_path / "empty", mirror.site)

    assert "`ipsync account add`" in on(empty, "account", "list").out
    assert json.loads(on(empty, "account", "list", "--json").out) == {"accounts": []}


def test_show_tells_consents_to_both(on: On, mirror: SiteMirror) -> None:
    people = on(mirror, "account", "show", name(mirror, 0))
    scripts = json.loads(on(mirror, "account", "show", member_id(mirror, 0), "--json").out)

    assert "may                  read documents" in people.out
    assert "granted beyond need  nothing" in people.out
    assert "it holds" in people.out
    assert scripts["consents"][0]["ended_at"] is None
    assert len(scripts["consents"][0]["fingerprint"]) >= 32


@pytest.mark.parametrize("command", ["show", "check", "pause", "resume", "remove"])
def test_an_unknown_account_is_told(on: On, mirror: SiteMirror, command: str) -> None:
    shown = on(mirror, "account", command, "nobody")

    assert shown.code == 1
    assert 'there is no account "nobody" here' in shown.err
    assert "`ipsync account list`" in shown.err


def test_an_id_goes_before_a_name_that_looks_like_it(on: On, own_mirror: SiteMirror) -> None:
    """A member may call themselves by the number of another."""
    first, second = member_id(own_mirror, 0), member_id(own_mirror, 1)
    rename(own_mirror, {first: second, second: "\x1b[2Jevil\n[red]name"})

    assert json.loads(on(own_mirror, "account", "show", second, "--json").out)["account_id"] == second
    shown = on(own_mirror, "account", "list").out
    assert "\\x1b[2Jevil\\n[red]name" in shown
    assert len(shown.splitlines()) == 3

    rename(own_mirror, {first: "twin", second: "twin"})
    both = on(own_mirror, "account", "show", "twin")
    assert both.code == 2
    assert f"say which by its id: {first}, {second}" in both.err


def rename(mirror: SiteMirror, names: dict[str, str]) -> None:
    async def step(works: Any) -> None:
        def change(tx: Any) -> None:
            for account_id, username in names.items():
                tx.put_account(replace(tx.account(int(account_id)), username=username))

        await works.base.catalog.write(change)

    mirror.work(step)


# Taking members in


def test_a_person_takes_a_member_in(mirror: SiteMirror) -> None:
    with Terminal("account", "add", env=mirror.env) as terminal:
        terminal.expect("permission to read documents")
        before = terminal.expect("Ctrl-C gives up.")
        link = next(line.strip() for line in before.splitlines() if line.strip().startswith("http"))
        mirror.site.approve(link, 2)
        terminal.type("")
        outcome = terminal.end()

    assert outcome.code == 0, outcome.out
    assert f"{name(mirror, 2)} ({member_id(mirror, 2)}) authorized the application." in outcome.out
    assert "Next: " in outcome.out
    assert "granted more" not in outcome.out


def test_ctrl_c_while_waiting_takes_nobody_in(on: On, mirror: SiteMirror) -> None:
    with Terminal("account", "add", env=mirror.env) as terminal:
        terminal.expect("Waiting.")
        terminal.interrupt()
        outcome = terminal.end()

    assert outcome.code == 130
    assert "Traceback" not in outcome.out
    assert len(json.loads(on(mirror, "account", "list", "--json").out)["accounts"]) == 2


def start_add(mirror: SiteMirror, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, "account", "add", *words],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"} | mirror.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_T13_a_script_without_input_polls_and_is_told_of_excess(mirror: SiteMirror) -> None:
    with start_add(mirror, "--json") as process:
        assert process.stdout is not None
        # The first line comes at once, while the command still waits.
        url = json.loads(process.stdout.readline())["authorize_url"]
        frob = dict(part.split("=") for part in url.partition("?")[2].split("&"))["frob"]
        member = mirror.site.members[2]
        mirror.site.change(lambda world: world.state.approve(world.state.frobs[frob], member, {"doc": "delete"}))
        lines = process.stdout.readlines()
        assert process.wait(PATIENCE_SECONDS) == 0

    account = json.loads(lines[0])
    assert len(lines) == 1
    assert account["account_id"] == member_id(mirror, 2)
    assert account["excess_permissions"] == {"doc": "delete"}


@pytest.fixture
def add(on: On, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Add a member who says yes a moment after the link is there."""
    monkeypatch.setattr("ipsync.cli.account._FIRST_POLL_SECONDS", 0.05)

    def call(mirror: SiteMirror, member: int, *words: str, before: Callable[[], None] = lambda: None) -> Outcome:
        known = mirror.site.change(lambda world: set(world.state.frobs))
        thread = threading.Thread(target=say_yes, args=(mirror, member, known, before))
        thread.start()
        try:
            return on(mirror, "account", "add", "--timeout", "20", *words)
        finally:
            thread.join()

    return call


def approve(frob: Any, member: int, world: Any) -> None:
    world.state.approve(frob, world.members[member], {"doc": "read"})


def say_yes(mirror: SiteMirror, member: int, known: set[str], before: Callable[[], None]) -> None:
    for _ in range(500):
        for frob in mirror.site.change(lambda world: list(world.state.frobs.values())):
            if frob.value not in known:
                before()
                mirror.site.change(partial(approve, frob, member))
                return
        time.sleep(0.02)


def test_a_lost_answer_costs_no_second_visit(add: On, own_mirror: SiteMirror) -> None:
    site = own_mirror.site
    shown = add(
        own_mirror, 2, "--json", before=lambda: site.fault("http_status", ["auth.getToken"], count=1, value=503)
    )

    assert shown.code == 0, shown.err
    assert json.loads(shown.out.splitlines()[1])["account_id"] == member_id(own_mirror, 2)


def test_a_member_who_does_not_answer(on: On, mirror: SiteMirror) -> None:
    shown = on(mirror, "account", "add", "--timeout", "1")

    assert shown.code == 1
    assert "http://" in shown.out
    assert "the member did not say yes within 1 seconds" in shown.err
    assert "ipsync account add" in shown.err


def test_T15_adding_again_replaces_the_grant(on: On, add: On, mirror: SiteMirror) -> None:
    shown = add(mirror, 0)

    assert shown.code == 0, shown.err
    assert "authorized the application again; the new grant holds" in shown.out
    row = json.loads(on(mirror, "account", "show", member_id(mirror, 0), "--json").out)
    assert [entry["ended_reason"] for entry in row["consents"]] == ["replaced", ""]


def test_ipernity_out_of_reach_is_said(on: On, own_mirror: SiteMirror) -> None:
    own_mirror.site.fault("http_status", ["*"], seconds=60, value=503)

    shown = on(own_mirror, "account", "add")

    assert shown.code == 1
    assert f"ipernity at {own_mirror.site.simulator.api_url} gave no usable answer" in shown.err
    assert "Traceback" not in shown.err


def test_T04_a_key_that_awaits_validation_takes_few_members(add: On, mirror: SiteMirror) -> None:
    mirror.configure(status="awaiting-validation")
    most = mirror.settings().rules().accounts_most
    assert most is not None

    async def fill(works: Any) -> None:
        def put(tx: Any) -> None:
            some = tx.accounts()[0]
            for number in range(most - len(tx.accounts())):
                tx.put_account(replace(some, account_id=900_000 + number))

        await works.base.catalog.write(put)

    mirror.work(fill)

    shown = add(mirror, 2)

    assert shown.code == 1
    # Told twice: before the member is asked, and when they have said yes all the same.
    before, _, after = shown.err.partition("nobody new can be taken in")
    assert f"no more than {most} accounts (key.status, T04)" in before
    assert f"no more than {most} accounts (key.status, T04)" in after


# Looking after them


def test_a_grant_that_holds(on: On, mirror: SiteMirror) -> None:
    shown = on(mirror, "account", "check", name(mirror, 0))

    assert shown.code == 0
    assert shown.out == f"{name(mirror, 0)} ({member_id(mirror, 0)}): the grant holds; active.\n"
    assert json.loads(on(mirror, "account", "check", name(mirror, 0), "--json").out)["answered"] is True


def test_T15_a_grant_that_was_revoked_takes_everything_with_it(on: On, own_mirror: SiteMirror) -> None:
    lost = own_mirror.site.members[0]
    gone = {entry["token"] for entry in own_mirror.site.permitted(0).values()}
    own_mirror.site.change(lambda world: world.state.revoke(lost))

    shown = on(own_mirror, "account", "check", lost.username)

    assert shown.code == 3
    assert "the grant does not hold; lost: the member took the permission back" in shown.out
    assert set(own_mirror.copies(gone).values()) == {0}
    assert {path.parts[-3] for path in own_mirror.files()} == {member_id(own_mirror, 1)}
    # Who left is known by number only.
    again = on(own_mirror, "account", "check", str(lost.user_id))
    assert again.code == 3
    assert f"account {lost.user_id}: the grant does not hold" in again.out
    assert lost.username not in on(own_mirror, "account", "list").out


def test_a_check_that_nobody_answers_changes_nothing(on: On, own_mirror: SiteMirror) -> None:
    own_mirror.site.fault("http_status", ["*"], seconds=60, value=503)

    shown = on(own_mirror, "account", "check", name(own_mirror, 0))

    assert shown.code == 1
    assert "ipernity did not say whether the grant of" in shown.err
    row = json.loads(on(own_mirror, "account", "show", name(own_mirror, 0), "--json").out)
    assert row["state"] == "active"
    assert row["documents"]["live"] == len(own_mirror.site.permitted(0))


def test_pause_tells_what_becomes_of_the_copies(on: On, mirror: SiteMirror) -> None:
    paused = on(mirror, "account", "pause", name(mirror, 0))

    assert paused.code == 0
    assert f"Its {len(mirror.site.permitted(0))} documents begin to be hidden in 20 h and erased in 22 h." in paused.out
    assert f"ipsync account resume {member_id(mirror, 0)}" in paused.out
    twice = on(mirror, "account", "pause", name(mirror, 0))
    assert (twice.code, "is paused, not active" in twice.err) == (1, True)
    resumed = on(mirror, "account", "resume", name(mirror, 0), "--json")
    assert json.loads(resumed.out)["state"] == "active"


# Letting them go


def test_T19_remove_says_that_only_the_copies_go(on: On, mirror: SiteMirror) -> None:
    shown = on(mirror, "account", "remove", name(mirror, 0), "--dry-run")

    number = len(mirror.site.permitted(0))
    assert shown.code == 0
    assert f"{number} documents, {2 * number} files" in shown.out
    assert "Only these copies go; nothing at ipernity is changed." in shown.out
    counts = json.loads(on(mirror, "account", "remove", name(mirror, 0), "--dry-run", "--json").out)
    assert counts == {"account_id": member_id(mirror, 0), "documents": number, "files": 2 * number}
    assert len(mirror.files()) == 2 * len(mirror.site.permitted(0) | mirror.site.permitted(1))


def test_T15_remove_erases_all(on: On, mirror: SiteMirror) -> None:
    gone = {entry["token"] for entry in mirror.site.permitted(0).values()}

    done = json.loads(on(mirror, "account", "remove", name(mirror, 0), "--yes", "--json").out)

    assert done["documents"] == len(gone)
    assert done["files_erased"] == 2 * len(gone)
    assert done["failed"] == 0
    assert done["waiting_for_log"] is False
    assert set(mirror.copies(gone).values()) == {0}
    row = json.loads(on(mirror, "account", "show", member_id(mirror, 0), "--json").out)
    assert (row["state"], row["permissions"]) == ("removed", {})
    assert mirror.site.change(lambda world: world.meter.report())["calls"].get("doc.delete", 0) == 0


@pytest.mark.parametrize("answer", ["n\n", "\n", "yes please\n", "y\n", "YES\n"])
def test_remove_asks_and_takes_no_for_an_answer(
    on: On, mirror: SiteMirror, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = len(mirror.files())
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))

    shown = on(mirror, "account", "remove", name(mirror, 0))

    assert "Erase all copies of this member's documents? [y/N] " in shown.err
    agreed = answer.strip().lower() in ("y", "yes")
    assert shown.code == (0 if agreed else 1)
    assert ("Nothing was erased." in shown.err) is not agreed
    assert (len(mirror.files()) == stored) is not agreed


def test_ctrl_c_at_the_question_erases_nothing(mirror: SiteMirror) -> None:
    stored = len(mirror.files())
    with Terminal("account", "remove", name(mirror, 0), env=mirror.env) as terminal:
        terminal.expect("[y/N] ")
        terminal.interrupt()
        outcome = terminal.end()

    assert (outcome.code, "Traceback" in outcome.out) == (130, False)
    assert len(mirror.files()) == stored


@pytest.mark.parametrize("stdin", [io.StringIO(""), None])
def test_nobody_to_ask_is_no_yes(
    on: On, mirror: SiteMirror, stdin: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = on(mirror, "account", "remove", name(mirror, 0), "--json")
    assert (wrong.code, wrong.out) == (2, "")
    assert "add --yes" in wrong.err

    # None: the caller closed it.
    monkeypatch.setattr("sys.stdin", stdin)
    shown = on(mirror, "account", "remove", name(mirror, 0))
    assert shown.code == 2
    assert "nobody answered; nothing was done" in shown.err


def test_beside_a_daemon_the_log_is_left_to_it(on: On, mirror: SiteMirror) -> None:
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    assert lock.take("ipsync run")
    try:
        shown = on(mirror, "account", "remove", name(mirror, 0), "--yes")
        rows = json.loads(on(mirror, "status", "--json").out)
    finally:
        lock.release()

    assert shown.code == 0
    assert "The running daemon cuts the database's log within moments" in shown.out
    assert rows["working"] == {"pid": os.getpid(), "command": "ipsync run"}
    assert rows["open_removals"]["erased"] == len(mirror.site.permitted(0))


def test_root_leaves_no_files_among_those_of_the_service(
    on: On, mirror: SiteMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_root():
        os.chown(mirror.folder / "ipsync.db", 12345, -1)
    monkeypatch.setattr("ipsync.cli.session.os.geteuid", lambda: 0)

    shown = on(mirror, "account", "list")

    assert shown.code == 2
    assert "belongs to another user" in shown.err
    assert "ipsync-as-service" in shown.err
