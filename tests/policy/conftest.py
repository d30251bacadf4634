"""Documents, views and leases for the rules' own tests."""

from collections.abc import Callable

import pytest

from ipsync.policy.documents import (
    Document,
    DocumentState,
    Facts,
    ListedDocument,
    Media,
    RemoteFile,
    Safety,
    Visibility,
)
from ipsync.policy.instants import DAY
from ipsync.policy.lease import Lease
from ipsync.policy.licenses import LICENSES
from ipsync.policy.permission import KeyUse, PermittedView

MEMBER = 31337
NOON = 1_790_000_000_000_000


@pytest.fixture
def lease() -> Lease:
    return Lease(DAY)


@pytest.fixture
def view() -> PermittedView:
    return PermittedView(
        use=KeyUse.NON_COMMERCIAL,
        visibility=frozenset({Visibility.PUBLIC}),
        media=frozenset(Media),
        safety=frozenset(Safety),
        licenses=frozenset(LICENSES),
        renditions=("240", "original"),
    )


@pytest.fixture
def facts() -> Facts:
    return Facts(Media.PHOTO, 3, Safety.EVERYONE, Visibility.PUBLIC, "A heron", posted_at=NOON, md5="0" * 32)


@pytest.fixture
def document(facts: Facts) -> Document:
    return Document(1, MEMBER, facts, DocumentState.LIVE, verified_at=NOON, mirrored_at=NOON)


@pytest.fixture
def listed(facts: Facts) -> Callable[..., ListedDocument]:
    def make(document_id: int = 1, version: int = 1, **changes: object) -> ListedDocument:
        from dataclasses import replace

        files = tuple(
            RemoteFile(name, f"https://u1.ipernity.com/{document_id}.{version}.{name}.jpg")
            for name in ("240", "original")
        )
        return ListedDocument(document_id, replace(facts, **changes), files)

    return make
