"""The main job, end to end, by real processes: authorize, mirror, notice, hide, erase; on a window of 30 s."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.processes import WINDOW_SECONDS, Mirror, Site, wait_for

SERVE_SECONDS = WINDOW_SECONDS * 20 / 24

pytestmark = pytest.mark.timeout(300)


def whole(mirror: Mirror, site: Site) -> bool:
    served = mirror.served()
    return set(served) == site.permitted() and all("240" in entry["renditions"] for entry in served.values())


def gone(mirror: Mirror, document_ids: set[str]) -> bool:
    served = mirror.served()
    files = {path.name for path in mirror.folder.glob("content/*/*")}
    return not document_ids & (set(served) | files)


def test_the_whole_story(start_site: Callable[..., Site], start_mirror: Callable[..., Mirror], tmp_path: Path) -> None:
    site = start_site("--members", "3", "--documents", "40", "--seed", "7")
    mirror = start_mirror(site)
    for member in site.members:
        account = mirror.authorize(member["cookie"])
        assert account["account_id"] == member["user_id"]
        assert account["excess_permissions"] == {}
    mirror.start()

    # Mirrored: exactly what is permitted, with attribution, under a lease.
    wait_for(lambda: whole(mirror, site), "everything permitted is mirrored")
    truth = site.truth()
    for document_id, entry in mirror.served().items():
        assert entry["account_id"] == truth[document_id]["owner_id"]
        assert truth[document_id]["token"] in entry["title"]
        assert entry["license"]["id"] == truth[document_id]["license"]
        assert entry["owner"]["name"]
        assert entry["link"].endswith(f"/doc/{entry['account_id']}/{document_id}")
        assert entry["verified_at"] < entry["serve_until"]
    some = next(iter(site.permitted()))
    status, body, headers = mirror.get(f"/media/{some}/240")
    assert (status, body[:2], headers["Content-Type"]) == (200, b"\xff\xd8", "image/jpeg")
    assert truth[some]["token"].encode() in body

    # An owner hides, relicenses, deletes; shares something new.
    client = site.client(0)
    mine = [i for i in sorted(site.permitted()) if truth[i]["owner_id"] == site.members[0]["user_id"]][:3]
    client.doc.setPerms(doc_id=mine[0], is_public=0, is_friend=0, is_family=0)
    client.doc.setLicense(doc_id=mine[1], license=0)
    client.doc.delete(doc_id=mine[2])
    acted_at = time.monotonic()
    wait_for(lambda: not set(mine) & set(mirror.served()), "all three are hidden", SERVE_SECONDS)
    assert time.monotonic() - acted_at < SERVE_SECONDS
    wait_for(lambda: gone(mirror, set(mine)), "all three are erased")
    assert time.monotonic() - acted_at < WINDOW_SECONDS
    wait_for(
        lambda: (
            mirror.json("status")["open_removals"] == dict.fromkeys(("suspected", "confirmed", "intended", "erased"), 0)
        ),
        "no removal is open",
    )
    for document_id in mine:
        assert mirror.get(f"/v1/documents/{document_id}")[0] == 410
        assert mirror.get(f"/media/{document_id}/240")[0] == 410
        assert mirror.copies(truth[document_id]["token"]) == []
    reasons = {mirror.json("documents", "show", i)["removals"][0]["reason"] for i in mine}
    assert reasons == {"unshared", "relicensed", "deleted"}

    picture = tmp_path / "new.jpg"
    picture.write_bytes(body)
    uploaded = client.upload_file(str(picture), title="Something new", is_public=1, license=3)
    wait_for(lambda: uploaded in mirror.served(), "the upload is mirrored")
    client.doc.setPerms(doc_id=mine[0], is_public=1)
    wait_for(lambda: mine[0] in mirror.served(), "what is shared again is mirrored again")

    # A member takes the permission back: everything of theirs goes, and the record of consent stays.
    lost = site.members[1]["user_id"]
    theirs = {i for i, entry in truth.items() if entry["owner_id"] == lost}
    site.control(f"members/{lost}/revoke", {})
    wait_for(lambda: not theirs & set(mirror.served()), "the account is hidden", SERVE_SECONDS)
    wait_for(lambda: gone(mirror, theirs), "the account is erased")
    shown = mirror.json("account", "show", lost)
    assert shown["state"] == "lost"
    assert [entry["ended_reason"] for entry in shown["consents"]] == ["grant-lost"]
    assert not list((mirror.folder / "content").glob(f"{lost}/*"))

    # Nothing secret in log or metrics, and an orderly end.
    log = mirror.log.read_text()
    metrics = mirror.get("/metrics")[1].decode()
    for secret in (mirror.environ["IPSYNC_API_SECRET"], mirror.environ["IPSYNC_ADMIN_TOKEN"], site.ready["secret"]):
        assert secret not in log
        assert secret not in metrics
    assert not any(entry["token"] in log or entry["token"] in metrics for entry in truth.values())
    assert "ipsync_deadline_breaches_total 0.0" in metrics
    assert 'ipsync_removals_total{reason="grant-lost"}' in metrics
    assert mirror.stop() == 0
    assert {json.loads(line)["level"] for line in log.splitlines()} <= {"debug", "info", "warning"}


def test_T15_removing_an_account_erases_it_without_a_daemon(
    start_site: Callable[..., Site], start_mirror: Callable[..., Mirror]
) -> None:
    site = start_site("--members", "1", "--documents", "12")
    mirror = start_mirror(site)
    member = site.members[0]
    mirror.authorize(member["cookie"])
    plan = mirror.json("sync", "--dry-run")["accounts"][0]
    assert plan["would_add"] == len(site.permitted())
    assert not list(mirror.folder.glob("content/*/*"))
    done = mirror.json("sync")
    assert done["added"] == len(site.permitted())
    assert done["files_fetched"] == 2 * len(site.permitted())
    rehearsed = mirror.json("account", "remove", member["username"], "--dry-run")
    assert rehearsed["documents"] == len(site.permitted())
    removed = mirror.json("account", "remove", member["username"], "--yes")
    assert removed["documents"] == len(site.permitted())
    assert not list(mirror.folder.glob("content/*/*"))
    for entry in site.truth().values():
        assert mirror.copies(entry["token"]) == []
    assert mirror.json("account", "list")["accounts"][0]["state"] == "removed"
    assert site.control("stats")["calls"].get("doc.delete", 0) == 0

    # Authorizing again is a new consent, and everything comes back.
    assert mirror.authorize(member["cookie"])["consent_epoch"] == 2
    assert mirror.json("sync")["added"] == len(site.permitted())


def test_T09_T10_a_daemon_that_was_away_too_long_serves_nothing_old(
    start_site: Callable[..., Site], start_mirror: Callable[..., Mirror]
) -> None:
    site = start_site("--members", "1", "--documents", "12")
    mirror = start_mirror(site)
    mirror.authorize(site.members[0]["cookie"])
    mirror.json("sync")
    assert list(mirror.folder.glob("content/*/*"))
    # ipernity is away as well, so nothing can be verified.
    site.control("faults", {"kind": "http_status", "methods": ["*"], "share": 1, "seconds": 600, "value": 503})
    time.sleep(WINDOW_SECONDS * 22 / 24)
    mirror.start()
    assert mirror.served() == {}
    assert not list(mirror.folder.glob("content/*/*"))
    site.control("faults", method="DELETE")
    wait_for(lambda: whole(mirror, site), "everything is mirrored anew", 3 * WINDOW_SECONDS)
    assert mirror.stop() == 0
