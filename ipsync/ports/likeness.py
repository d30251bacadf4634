"""What is asked of the catalog when a rule changes: which kinds of documents are held, and which documents of a kind.

It is part of `ports.catalog.View`. The permitted view looks at six things of a document, and very many documents have
the same six: the rule is asked once for all of them.
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
        facts: media, license, safety and visibility, and nothing else. Where the catalog holds what means nothing, the
            group is taken for what each of its documents is taken for: DOOMED.
        key: what they share, as the catalog holds it; for `documents_alike`.
    """

    account_id: int
    state: DocumentState
    facts: Facts
    key: tuple[Any, ...]


class LikenessView(Protocol):
    """The two questions."""

    def alike(self) -> list[Alike]:
        """All documents, in groups. Looks at every document."""
        ...

    def documents_alike(self, group: Alike, document_id: int, limit: int) -> list[int]:
        """Up to `limit` ids of a group, above `document_id`, in order."""
        ...
