"""A row that cannot be read says so without being quoted."""

import sqlite3
import traceback
from pathlib import Path

import pytest

from ipsync.catalog import open_catalog
from ipsync.ports.catalog import CatalogFailure
from tests.fakes.catalogs import STATE_KEY, a_document, an_account, fresh_catalog


def test_I9_text_that_cannot_be_decoded_reaches_no_error(tmp_path: Path) -> None:
    catalog = fresh_catalog(tmp_path, inline=True)
    catalog.write_now(lambda tx: tx.put_account(an_account()))
    catalog.write_now(lambda tx: tx.add_documents([a_document(1)]))
    catalog.close_now()
    (database,) = tmp_path.glob("*.db")
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE document_text SET title = CAST(x'63616e617279ff' AS TEXT)")
    connection.close()
    catalog = open_catalog(f"sqlite:///{database}", tmp_path, STATE_KEY, inline=True)
    with pytest.raises(CatalogFailure) as failure:
        catalog.read_now(lambda view: view.documents([1]))
    assert "canary" not in "".join(traceback.format_exception(failure.value))
    catalog.close_now()
