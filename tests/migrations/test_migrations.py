"""All migrations together give exactly the tables that the code declares, once, and whoever runs them."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from ipsync.assets import asset_folder
from ipsync.catalog import current, head, open_catalog, upgrade
from ipsync.catalog.migrating import Upgraded
from ipsync.catalog.schema import REVISIONS
from ipsync.catalog.sqlite import writing_engine
from ipsync.catalog.tables import METADATA
from ipsync.ports.catalog import CatalogFailure
from tests.fakes.catalogs import STATE_KEY, URL, an_account
from tests.fakes.processes import start_python


def declared(path: Path) -> dict[tuple[str, str], str]:
    """Every table, index and trigger of a database, in words without meaningless spaces."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {(kind, name): " ".join(sql.split()) for kind, name, sql in rows if name != "alembic_version"}


def test_all_migrations_give_the_declared_schema_word_for_word(tmp_path: Path) -> None:
    upgrade(URL, tmp_path)
    fresh = tmp_path / "fresh.db"
    engine = create_engine(f"sqlite:///{fresh}")
    METADATA.create_all(engine)
    engine.dispose()
    migrated = declared(tmp_path / "ipsync.db")
    assert migrated == declared(fresh)
    assert len([name for kind, name in migrated if kind == "table"]) == len(METADATA.tables)
    assert len([name for kind, name in migrated if kind == "trigger"]) == 33


def test_alembic_finds_nothing_left_to_do(tmp_path: Path) -> None:
    upgrade(URL, tmp_path)
    with writing_engine(tmp_path / "ipsync.db", 5).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_the_head_that_is_asked_at_each_start_is_the_newest_migration() -> None:
    configuration = Config()
    configuration.set_main_option("script_location", str(asset_folder("migrations")))
    scripts = ScriptDirectory.from_config(configuration)
    assert scripts.get_heads() == [head()]
    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(REVISIONS))


def test_an_upgrade_says_what_it_did_and_may_be_repeated(tmp_path: Path) -> None:
    assert current(URL, tmp_path) is None
    assert upgrade(URL, tmp_path) == Upgraded(before=None, after=head())
    catalog = open_catalog(URL, tmp_path, STATE_KEY, inline=True)
    catalog.write_now(lambda tx: tx.put_account(an_account()))
    catalog.close_now()
    assert upgrade(URL, tmp_path) == Upgraded(before=head(), after=head())
    assert current(URL, tmp_path) == head()
    catalog = open_catalog(URL, tmp_path, STATE_KEY, inline=True)
    assert catalog.read_now(lambda view: view.accounts()) == [an_account()]
    catalog.close_now()


def test_an_upgrade_beside_a_running_daemon_disturbs_nothing(tmp_path: Path) -> None:
    upgrade(URL, tmp_path)
    daemon = open_catalog(URL, tmp_path, STATE_KEY, inline=True)
    upgrade(URL, tmp_path)
    daemon.write_now(lambda tx: tx.put_account(an_account()))
    assert daemon.check_now() == []
    daemon.close_now()


def test_an_upgrade_that_fails_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_off(connection: Connection) -> None:
        METADATA.create_all(connection)
        raise LookupError("in the middle")

    monkeypatch.setattr("ipsync.catalog.migrating._run_migrations", breaks_off)
    with pytest.raises(LookupError):
        upgrade(URL, tmp_path)
    monkeypatch.undo()
    assert declared(tmp_path / "ipsync.db") == {}
    assert upgrade(URL, tmp_path) == Upgraded(before=None, after=head())


UPGRADE = """
import sys
from pathlib import Path
from ipsync.catalog import upgrade
print("ready", flush=True)
done = upgrade(sys.argv[2], Path(sys.argv[1]))
print(done.before, done.after)
"""


def test_processes_that_upgrade_at_once_do_it_once(tmp_path: Path) -> None:
    processes = [start_python(UPGRADE, tmp_path, URL) for _ in range(3)]
    outcomes = []
    for process in processes:
        output, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        outcomes.append(output.split()[1:])
    assert sorted(outcomes) == sorted([["None", head()], [head(), head()], [head(), head()]])
    open_catalog(URL, tmp_path, STATE_KEY, inline=True).close_now()


def test_a_file_that_is_no_database_is_not_upgraded(tmp_path: Path) -> None:
    (tmp_path / "ipsync.db").write_bytes(b"Dear diary. " * 1000)
    with pytest.raises(CatalogFailure, match="no SQLite database"):
        upgrade(URL, tmp_path)
    with pytest.raises(CatalogFailure, match="no SQLite database"):
        current(URL, tmp_path)
    assert (tmp_path / "ipsync.db").read_bytes() == b"Dear diary. " * 1000
