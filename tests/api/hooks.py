"""What schemathesis cannot find out by itself: cursors are given by the API, and belong to one question."""

import os

import schemathesis
from hypothesis import strategies

for _entries in ("documents", "accounts", "changes", "albums", "folders", "articles"):
    _given = os.environ[f"IPSYNC_CURSORS_AMONG_{_entries.upper()}"].split()
    schemathesis.openapi.format(f"cursor-among-{_entries}", strategies.sampled_from(_given))

# These belong to one entry each, and what there is here has one page: anything fits whatever is answered by 404.
_OF_NOTHING = "bm9uZQ"
for _entries in ("albums", "folders", "articles"):
    schemathesis.openapi.format(f"cursor-among-contents-of-{_entries}", strategies.just(_OF_NOTHING))

_CURSORS_AMONG_ALL = frozenset(
    cursor
    for _entries in ("documents", "albums", "folders", "articles")
    for cursor in os.environ[f"IPSYNC_CURSORS_AMONG_{_entries.upper()}"].split()
)


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Leave out a cursor beside a question that it does not belong to: that is 400, and tested apart."""
    query = case.query or {}
    if query.get("cursor") == _OF_NOTHING and "88000" in str(case.path_parameters):
        return False
    return not ("account" in query and query.get("cursor") in _CURSORS_AMONG_ALL)
