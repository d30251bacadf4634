"""Documents in groups that no rule of the permitted view can tell apart: counted out by the database, not by us."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import LargeBinary, bindparam, case, cast, func, select

from ipsync.catalog.documents import NO_FACTS, decisive_facts, state_of
from ipsync.catalog.failures import readable
from ipsync.catalog.handle import Handle
from ipsync.catalog.sqlite import by_index
from ipsync.catalog.tables import table
from ipsync.policy.documents import DocumentState
from ipsync.ports.likeness import Alike

_DOCUMENT = table("document")
_TEXT = table("document_text")

# Tags are a list as JSON, or nothing. Documents with anything else are a group of their own, to be read one by one.
_means_something = case(
    (_TEXT.c.tags == "", 1),
    # SQLite takes a NUL for the end of a text.
    (func.instr(_TEXT.c.tags, func.char(0)) > 0, 0),
    (func.json_valid(_TEXT.c.tags) == 1, func.json_type(_TEXT.c.tags) == "array"),
    else_=0,
)
# What documents of a group share, but their state: that changes while one looks.
_KEY = {
    "account_id": _DOCUMENT.c.account_id,
    # As bytes, so that what is no text is found again too.
    "media": cast(_DOCUMENT.c.media, LargeBinary),
    **{name: _DOCUMENT.c[name] for name in ("license", "safety", "visibility")},
    "means_something": _means_something,
}
_both = _DOCUMENT.join(_TEXT, _TEXT.c.document_id == _DOCUMENT.c.document_id)
_GROUPS = (
    select(cast(_DOCUMENT.c.state, LargeBinary).label("state"), *(value.label(name) for name, value in _KEY.items()))
    .select_from(_both)
    .distinct()
)
_OF_GROUP = (
    by_index(select(_DOCUMENT.c.document_id).select_from(_both), _DOCUMENT, "document_by_account")
    .where(*(value == bindparam(f"its_{name}") for name, value in _KEY.items()))
    .where(_DOCUMENT.c.document_id > bindparam("after"))
    .order_by(_DOCUMENT.c.document_id)
    .limit(bindparam("most"))
)


class LikenessReading(Handle):
    """The questions of a rule that changed."""

    def alike(self) -> list[Alike]:
        """All documents, in groups; see `ports.likeness`."""
        return readable([tuple(row) for row in self._rows(_GROUPS)], _group, _unreadable)

    def documents_alike(self, group: Alike, document_id: int, limit: int) -> list[int]:
        """Up to `limit` ids of documents like those of a group, in any state; see `ports.likeness`."""
        asked = {f"its_{name}": value for name, value in zip(_KEY, group.key, strict=True)}
        return [row.document_id for row in self._rows(_OF_GROUP, **asked, after=document_id, most=limit)]


def _group(row: Sequence[Any]) -> Alike:
    state, *key = row
    account_id, media, *numbers, means_something = key
    if not means_something:
        return _unreadable(row)
    return Alike(account_id, state_of(state.decode()), decisive_facts(media.decode(), *numbers), tuple(key))


def _unreadable(row: Sequence[Any]) -> Alike:
    _, *key = row
    return Alike(key[0], DocumentState.DOOMED, NO_FACTS, tuple(key), is_readable=False)
