"""From `database.url` to an open catalog, and every way that is refused."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from ipsync.catalog import current, head, open_catalog, upgrade
from ipsync.policy.accounts import Consent, Grant
from ipsync.ports.catalog import CatalogCorrupt, CatalogFailure, CatalogOutdated
from tests.fakes.catalogs import NOW, STATE_KEY, URL, a_document, an_account, fresh_catalog, fresh_database


def test_the_address_is_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    upgrade("sqlite:///data/odd name%20é.db", tmp_path)
    assert (tmp_path / "data" / "odd name%20é.db").exists()
    absolute = f"sqlite:///{tmp_path}/data/odd name%20é.db"
    assert absolute.startswith("sqlite:////")
    assert current(absolute, Path("/nonexistent")) == head()
    open_catalog(absolute, Path("/nonexistent"), STATE_KEY, inline=True).close_now()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:canary@host/db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///ipsync.db?mode=memory",
        "ipsync.db",
        "",
        "sqlite:ipsync.db",
    ],
)
def test_another_address_is_refused_with_the_remedy(tmp_path: Path, url: str) -> None:
    for way in (
        lambda: open_catalog(url, tmp_path, STATE_KEY),
        lambda: upgrade(url, tmp_path),
        lambda: current(url, tmp_path),
    ):
        with pytest.raises(CatalogFailure, match=r"database\.url: .*sqlite:///ipsync\.db") as caught:
            way()
        assert "canary" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogFailure, match=r"database\.url: cannot create .*nowhere"):
        upgrade("sqlite:///nowhere/ipsync.db", tmp_path)


def test_a_missing_database_is_not_made_by_opening(tmp_path: Path) -> None:
    with pytest.raises(CatalogOutdated, match="ipsync db upgrade"):
        open_catalog(URL, tmp_path, STATE_KEY)
    assert list(tmp_path.iterdir()) == []
    assert current(URL, tmp_path) is None


def test_an_empty_database_is_outdated(tmp_path: Path) -> None:
    (tmp_path / "ipsync.db").touch()
    with pytest.raises(CatalogOutdated, match="ipsync db upgrade"):
        open_catalog(URL, tmp_path, STATE_KEY)


@pytest.mark.parametrize(("version", "remedy"), [("0001", "ipsync db upgrade"), ("9999", "newer")])
def test_another_schema_is_refused_with_the_remedy(tmp_path: Path, version: str, remedy: str) -> None:
    path = fresh_database(tmp_path)
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("UPDATE alembic_version SET version_num = ?", [version])
    stranger.close()
    with pytest.raises(CatalogOutdated, match=remedy):
        open_catalog(URL, tmp_path, STATE_KEY)
    assert current(URL, tmp_path) == version


def test_a_newer_schema_is_not_touched_by_an_upgrade(tmp_path: Path) -> None:
    path = fresh_database(tmp_path)
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("UPDATE alembic_version SET version_num = '9999'")
    stranger.close()
    with pytest.raises(CatalogOutdated, match="newer"):
        upgrade(URL, tmp_path)
    assert current(URL, tmp_path) == "9999"


def test_nobody_else_can_read_what_is_written(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        upgrade(URL, tmp_path)
        catalog = open_catalog(URL, tmp_path, STATE_KEY, inline=True)
        catalog.write_now(lambda tx: tx.put_account(an_account()))
    finally:
        os.umask(before)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    names = ("ipsync.db", "ipsync.db-wal", "ipsync.db-shm", "ipsync.db-writer", "ipsync.db-reserve")
    assert files == dict.fromkeys(names, 0o600)
    catalog.close_now()


def test_a_link_in_place_of_our_own_files_is_refused(tmp_path: Path) -> None:
    fresh_database(tmp_path)
    (tmp_path / "ipsync.db-writer").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CatalogFailure, match=r"ipsync\.db-writer"):
        open_catalog(URL, tmp_path, STATE_KEY)
    assert not (tmp_path / "elsewhere").exists()


def test_T05_another_state_key_is_refused_with_the_remedy(tmp_path: Path) -> None:
    fresh_catalog(tmp_path, inline=True).close_now()
    with pytest.raises(CatalogCorrupt, match="give back the former state_key"):
        open_catalog(URL, tmp_path, b"another key")
    open_catalog(URL, tmp_path, STATE_KEY, inline=True).close_now()


def test_a_token_that_does_not_open_is_found_by_the_check(tmp_path: Path) -> None:
    catalog = fresh_catalog(tmp_path, inline=True)
    catalog.write_now(lambda tx: [tx.put_account(an_account(number)) for number in (1, 2)])
    for number in (1, 2):
        consent = Consent(number, 1, "fingerprint", {"doc": "read"}, NOW)
        grant = Grant(number, f"token-{number}", {"doc": "read"})
        catalog.write_now(lambda tx, grant=grant, consent=consent: tx.put_grant(grant, consent))
    assert catalog.check_now() == []
    exchange = "UPDATE account_grant SET sealed_token = (SELECT sealed_token FROM account_grant WHERE account_id = 2)"
    catalog.write_now(lambda tx: tx._connection.exec_driver_sql(exchange))
    with pytest.raises(CatalogCorrupt):
        catalog.read_now(lambda view: view.grant(1))
    assert catalog.read_now(lambda view: view.grant(2)) is not None
    assert len(catalog.check_now()) == 1
    catalog.close_now()


async def test_the_check_and_the_book_work_in_threads(tmp_path: Path) -> None:
    catalog = fresh_catalog(tmp_path)
    assert await catalog.check() == []
    await catalog.close()


def test_the_settings_that_make_erasing_safe_are_in_force(tmp_path: Path) -> None:
    catalog = fresh_catalog(tmp_path, inline=True)

    def pragmas(connection: object, *names: str) -> list[object]:
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]  # type: ignore[attr-defined]  # reason: a SQLAlchemy connection

    names = ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "wal_autocheckpoint", "temp_store")
    assert catalog.write_now(lambda tx: pragmas(tx._connection, *names)) == ["wal", 2, 1, 1, 0, 2]
    assert catalog.read_now(lambda view: pragmas(view._connection, "query_only", "temp_store")) == [1, 2]
    catalog.close_now()


def test_closing_leaves_only_what_is_needed(tmp_path: Path) -> None:
    catalog = fresh_catalog(tmp_path, inline=True)
    catalog.write_now(lambda tx: tx.put_account(an_account()))
    catalog.write_now(lambda tx: tx.add_documents([a_document()]))
    catalog.close_now()
    assert {file.name for file in tmp_path.iterdir()} == {"ipsync.db", "ipsync.db-writer", "ipsync.db-reserve"}
