"""A daemon that stands still, as real processes (F8, F27): what it believed meanwhile has no effect."""

import contextlib
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipsync.catalog import open_catalog
from tests.fakes.site import STATE_KEY, LiveSite, SiteMirror, stocked_mirror
from tests.system.daemons import DaemonProcess, served, stop_between_writes, wait_for
from tests.system.test_daemon import refusal

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def site() -> Iterator[LiveSite]:
    with LiveSite() as site:
        yield site


@pytest.fixture(scope="module")
def _stock(site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> SiteMirror:
    return stocked_mirror(tmp_path_factory.mktemp("stock") / "mirror", site)


@pytest.fixture
def mirror(_stock: SiteMirror, tmp_path: Path) -> Iterator[SiteMirror]:
    yield _stock.copy_to(tmp_path / "mirror")
    _stock.site.heal()


def begin_epoch(mirror: SiteMirror) -> int:
    """What whoever takes over does."""
    catalog = open_catalog(
        "sqlite:///ipsync.db", mirror.folder, bytes.fromhex(STATE_KEY), checkpoints=False, busy_seconds=2, inline=True
    )
    try:
        return catalog.take_epoch_now()
    finally:
        catalog.close_now()


def rows(mirror: SiteMirror) -> list[str]:
    """Everything the database says."""
    with contextlib.closing(sqlite3.connect(f"file:{mirror.folder}/ipsync.db?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def ledger(mirror: SiteMirror) -> list[tuple[str, int]]:
    """Kinds and epochs of the ledger's entries."""
    with contextlib.closing(sqlite3.connect(f"file:{mirror.folder}/ipsync.db?mode=ro", uri=True)) as connection:
        return list(connection.execute("SELECT kind, epoch FROM ledger_entry ORDER BY sequence"))


def test_F27_a_daemon_that_was_taken_over_while_it_stood_still_writes_nothing_and_ends(mirror: SiteMirror) -> None:
    with DaemonProcess(mirror) as first:
        wait_for(lambda: ("started", 1) in ledger(mirror), "the ledger tells of the start")
        stop_between_writes(first, mirror)
        second = refusal(mirror)
        assert second.returncode == 1
        assert "another ipsync daemon" in second.stderr
        assert begin_epoch(mirror) == 2
        before = rows(mirror)

        first.process.send_signal(signal.SIGCONT)

        assert first.process.wait(30) == 1
    assert rows(mirror) == before
    last = first.records()[-1]
    assert last["event"] == "daemon.failed"
    assert "another process has taken over the database (its epoch is 2, ours was 1)" in str(last)

    # Started again, as systemd does it, it passes its boot gate under an epoch of its own.
    with DaemonProcess(mirror) as again:
        assert served(again.address)
        assert again.stop() == 0
    assert ledger(mirror)[-1] == ("started", 3)
