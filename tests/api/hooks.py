"""What schemathesis cannot find out by itself: cursors are given by the API, and belong to one question."""

import os

import schemathesis
from hypothesis import strategies

for _entries in ("documents", "accounts", "changes"):
    _given = os.environ[f"IPSYNC_CURSORS_AMONG_{_entries.upper()}"].split()
    schemathesis.openapi.format(f"cursor-among-{_entries}", strategies.sampled_from(_given))

_CURSORS_AMONG_ALL = frozenset(os.environ["IPSYNC_CURSORS_AMONG_DOCUMENTS"].split())


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Leave out a cursor among all documents beside the question for one member: that is 400, and tested apart."""
    query = case.query or {}
    return not ("account" in query and query.get("cursor") in _CURSORS_AMONG_ALL)
