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

# Tags are a list as JSON, or nothing: who finds anything else takes the document for one that goes.
_means_something = case(
    (_TEXT.c.tags == "", 1),
    (func.json_valid(_TEXT.c.tags) == 1, func.json_type(_TEXT.c.tags) == "array"),
    else_=0,
)
_KEY = {
    "account_id": _DOCUMENT.c.account_id,
    # As bytes, so that what is no text is found again too.
    "state": cast(_DOCUMENT.c.state, LargeBinary),
    "media": cast(_DOCUMENT.c.media, LargeBinary),
    **{name: _DOCUMENT.c[name] for name in ("license", "safety", "visibility")},
    "means_something": _means_something,
}
_both = _DOCUMENT.join(_TEXT, _TEXT.c.document_id == _DOCUMENT.c.document_id)
_GROUPS = select(*(value.label(name) for name, value in _KEY.items())).select_from(_both).distinct()
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
        """Up to `limit` ids of a group, above `document_id`, in order."""
        asked = {f"its_{name}": value for name, value in zip(_KEY, group.key, strict=True)}
        return [row.document_id for row in self._rows(_OF_GROUP, **asked, after=document_id, most=limit)]


def _group(key: Sequence[Any]) -> Alike:
    account_id, state, media, *numbers, means_something = key
    if not means_something:
        return _unreadable(key)
    return Alike(account_id, state_of(state.decode()), decisive_facts(media.decode(), *numbers), tuple(key))


def _unreadable(key: Sequence[Any]) -> Alike:
    return Alike(key[0], DocumentState.DOOMED, NO_FACTS, tuple(key))
