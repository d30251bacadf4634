"""What is asked of the catalog when a rule changes: which kinds of documents are held, and which documents of a kind.

It is part of `ports.catalog.View`. The permitted view looks at few things of a document, and very many documents have
the same: the rule is asked once for all of them.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from ipsync.policy.documents import DocumentState, Facts


@dataclass(frozen=True, slots=True)
class Alike:
    """A group of documents of one account that the permitted view cannot tell one from another.

    Attributes:
        account_id: whose they are.
        state: of each.
        facts: media, license, safety and visibility, and nothing else.
        key: what they share but their state, as the catalog holds it; for `documents_alike`.
        is_readable: False where something of them means nothing (F5): they are to be read one by one. State and facts
            are then those of what goes.
    """

    account_id: int
    state: DocumentState
    facts: Facts
    key: tuple[Any, ...]
    is_readable: bool = True


class LikenessView(Protocol):
    """The two questions."""

    def alike(self) -> list[Alike]:
        """All documents, in groups. Looks at every document."""
        ...

    def documents_alike(self, group: Alike, document_id: int, limit: int) -> list[int]:
        """Up to `limit` ids of documents like those of a group, above `document_id`, in order.

        In whatever state: that may have changed since the group was read.
        """
        ...
