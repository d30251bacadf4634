"""SQLite asked whether its file is whole, for as long as a start can wait for it (F5)."""

import sqlite3
import threading

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_MOST_FINDINGS = 20


def check_within(connection: Connection, limit_seconds: float) -> tuple[list[str], bool]:
    """Look for contradictions in the file until all of it was looked at, or time is up.

    Args:
        connection: that reads.
        limit_seconds: after that long what was found so far has to do.

    Returns:
        A sentence for each contradiction, and whether all of the file was looked at.

    Raises:
        DBAPIError: the file could not be read at all.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("only SQLite's own file can be checked")
    timer = threading.Timer(limit_seconds, driver.interrupt)
    timer.start()
    try:
        found = [row[0] for row in connection.exec_driver_sql(f"PRAGMA quick_check({_MOST_FINDINGS})")]
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        return [], False
    finally:
        timer.cancel()
    return ([] if found == ["ok"] else found), True
