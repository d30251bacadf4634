"""`ipsync incidents` and `ipsync notify`: what needed a person, for people and for scripts."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace

from ipsync.catalog import open_catalog
from ipsync.policy.incidents import Condition, Incident
from ipsync.policy.instants import HOUR, SECOND
from ipsync.policy.notices import Delivery
from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror

On = Callable[..., Outcome]
AT = 1_795_000_000 * SECOND
LOST = Incident(Condition.GRANT_LOST, "7", 3, AT)


def keep(mirror: SiteMirror, *incidents: Incident) -> None:
    state_key = bytes.fromhex(mirror.env["IPSYNC_STATE_KEY"])
    catalog = open_catalog("sqlite:///ipsync.db", mirror.folder, state_key, inline=True)
    for incident in incidents:
        number = catalog.write_now(lambda tx: tx.put_incident(incident))  # noqa: B023  # reason: done at once
        told = Delivery(number, "mail", opened_sent_at=AT + SECOND, attempts=2, failure="the mail server broke off")
        catalog.write_now(lambda tx: tx.put_deliveries([told]))  # noqa: B023  # reason: done at once
    catalog.close_now()


def test_what_goes_on_is_found(on: On, mirror: SiteMirror) -> None:
    assert on(mirror, "incidents", "list").out == "Nothing needs a person now.\n"
    keep(mirror, replace(LOST, resolved_at=AT + HOUR), replace(LOST, subject="8"))

    people, machines = on(mirror, "incidents", "list"), on(mirror, "incidents", "list", "--all", "--json")

    assert people.code == machines.code == 3
    assert "Account 8 took its grant back" in people.out
    assert "Account 7" not in people.out
    assert [entry["subject"] for entry in json.loads(machines.out)["incidents"]] == ["8", "7"]


def test_one_is_shown_with_advice_and_who_was_told(on: On, mirror: SiteMirror) -> None:
    keep(mirror, LOST)

    shown = on(mirror, "incidents", "show", "1")

    assert shown.code == 0
    assert "Account 7 took its grant back" in shown.out
    assert "the member authorizes anew" in " ".join(shown.out.split())
    assert "failed after 2 tries: the mail server broke off" in " ".join(shown.out.split())
    assert json.loads(on(mirror, "incidents", "show", "1", "--json").out)["told"][0]["channel"] == "mail"
    assert on(mirror, "incidents", "show", "9").code == 1


def test_notices_are_tried_out(on: On, mirror: SiteMirror) -> None:
    nobody = on(mirror, "notify", "test")
    assert (nobody.code, "[notify]" in nobody.err) == (2, True)
    file = mirror.folder / "ipsync.toml"
    kept = mirror.folder / "told"
    words = [sys.executable, "-c", f"import sys; open({str(kept)!r}, 'w').write(sys.stdin.read())"]
    file.write_text(f"{file.read_text()}\n[notify]\ncommand = {json.dumps(words)}\n")

    sent = on(mirror, "notify", "test")

    assert (sent.code, sent.out) == (0, "command: sent.\n")
    assert "This is a test" in kept.read_text()
    assert on(mirror, "notify", "test", "mail").code == 1
    file.write_text(file.read_text().replace(json.dumps(words), '["/bin/false"]'))
    failed = on(mirror, "notify", "test")
    assert (failed.code, failed.err) == (1, "command: the command ended with code 1.\n")
