"""The stamp changes with every commit, of whomever, and with nothing else that could be mistaken for the same."""

import sqlite3

import pytest

from ipsync.catalog.stamp import CommitStamp
from ipsync.ports.catalog import CatalogFailure


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "some where.db"
    with sqlite3.connect(path) as writer:
        writer.execute("PRAGMA journal_mode = wal")
        writer.execute("CREATE TABLE t (x)")
    writer.close()
    return path


@pytest.fixture
def writer(path):
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


@pytest.fixture
def stamp(path):
    found = CommitStamp(path)
    yield found
    found.close()


def test_it_changes_with_each_commit_and_only_then(stamp, writer):
    seen = [stamp()]
    for number in range(5):
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES (?)", (number,))
        assert stamp() == seen[-1]  # not committed
        writer.execute("COMMIT")
        seen.append(stamp())
        assert stamp() == seen[-1]
    assert len(set(seen)) == 6
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO t VALUES (6)")
    writer.execute("ROLLBACK")
    assert stamp() == seen[-1]


def test_it_never_waits_and_holds_nobody_back(stamp, writer):
    stamp()
    writer.execute("BEGIN EXCLUSIVE")
    assert stamp() is not None
    writer.execute("INSERT INTO t VALUES (1)")
    writer.execute("COMMIT")
    stamp()
    assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def test_a_stamp_that_cannot_be_told_is_none(stamp):
    stamp.close()
    assert stamp() is None


def test_there_must_be_a_database(tmp_path):
    with pytest.raises(CatalogFailure):
        CommitStamp(tmp_path / "none.db")
