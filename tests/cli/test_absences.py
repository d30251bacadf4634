"""What the commands say of documents that went missing: the tripwire, and what was read before."""

import json
from collections.abc import Callable

from ipsync.assembly import Works
from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror

On = Callable[..., Outcome]


def test_F12_a_mass_disappearance_is_seen_everywhere(on: On, mirror: SiteMirror) -> None:
    mirror.configure("tripwire_share = 0.5\ntripwire_count = 2\n")
    # The section of the settings that takes these is the file's last.
    owner = mirror.site.members[0].user_id
    gone = sorted(mirror.site.permitted(0), key=int)
    mirror.site.fault("empty_list", ["doc.getList"])
    try:

        async def sweep(works: Works) -> None:
            await works.sync.run(int(owner), force=True)

        mirror.work(sweep)
    finally:
        mirror.site.heal()

    status = on(mirror, "status")
    assert status.code == 0
    assert f"account {owner}: {len(gone)} of {len(gone)} documents went missing at once" in " ".join(status.out.split())
    (tripwire,) = json.loads(on(mirror, "status", "--json").out)["tripwires"]
    assert (tripwire["missing"], tripwire["phase"], tripwire["resolution"]) == (len(gone), "sampling", None)
    assert "are hidden; a sample of" in " ".join(on(mirror, "account", "show", str(owner)).out.split())
    (shown,) = json.loads(on(mirror, "account", "show", str(owner), "--json").out)["tripwires"]
    assert shown == tripwire

    (sweep_told,) = json.loads(on(mirror, "removal", "sweeps", "--account", str(owner), "--json").out)["sweeps"]
    assert (sweep_told["missing"], sweep_told["named"], sweep_told["distinct"]) == (len(gone), 0, 0)
    assert f"{len(gone)} of {len(gone)}" in on(mirror, "removal", "sweeps").out
    document = on(mirror, "documents", "show", gone[0])
    assert "Missing in sweep 1 (public): " in " ".join(document.out.split())
    (removal,) = json.loads(on(mirror, "documents", "show", gone[0], "--json").out)["removals"]
    assert removal["sweep"] == sweep_told

    async def confirm(works: Works) -> None:
        await works.confirm.run()

    mirror.work(confirm)
    assert "so the listing is read again" in " ".join(on(mirror, "status").out.split())


def test_where_nothing_was_missing_there_is_nothing_to_show(on: On, mirror: SiteMirror) -> None:
    assert "No sweep has found a document missing." in on(mirror, "removal", "sweeps").out
    assert json.loads(on(mirror, "removal", "sweeps", "--json").out) == {"sweeps": [], "next_before": None}
    assert json.loads(on(mirror, "status", "--json").out)["tripwires"] == []


def test_older_sweeps_are_on_the_next_page(on: On, mirror: SiteMirror) -> None:
    async def sweep(works: Works) -> None:
        await works.sync.run(force=True)

    for kind in ("short_list", "empty_list"):
        mirror.site.fault(kind, ["doc.getList"])
        try:
            mirror.work(sweep)
        finally:
            mirror.site.heal()
        mirror.work(sweep)
    first = json.loads(on(mirror, "removal", "sweeps", "--limit", "1", "--json").out)
    assert first["next_before"] == first["sweeps"][0]["sweep"]
    assert "There may be more: --before" in on(mirror, "removal", "sweeps", "--limit", "1").out
    older = json.loads(on(mirror, "removal", "sweeps", "--before", str(first["next_before"]), "--json").out)
    assert older["sweeps"]
    assert all(entry["sweep"] < first["next_before"] for entry in older["sweeps"])
