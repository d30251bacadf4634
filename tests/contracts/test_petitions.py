"""What the catalog promises of petitions; run on every implementation like `test_catalog.py`."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.policy.instants import HOUR
from ipsync.policy.petitions import Outcome, Petition, decided, digest_of, new_petition
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.ports.catalog import Catalog, CatalogFailure
from tests.fakes.catalogs import LEASE, NOW, fresh_catalog

DOCUMENT = Subject(RequestScope.DOCUMENT, 5, 1)


@pytest.fixture(params=["sqlite", "sqlite inline"])
async def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Catalog]:
    opened: Catalog = fresh_catalog(tmp_path, inline=request.param == "sqlite inline")
    yield opened
    await opened.close()


async def put(catalog: Catalog, token: str, words: Words | None = None) -> Petition:
    petition = new_petition(DOCUMENT, token, NOW, LEASE)
    number = await catalog.write(lambda tx: tx.put_petition(petition, words))
    return replace(petition, petition_id=number)


async def test_T11_a_petition_is_numbered_and_found_by_its_token_alone(catalog: Catalog) -> None:
    first, second = await put(catalog, "one"), await put(catalog, "two")
    assert (first.petition_id, second.petition_id) == (1, 2)
    assert await catalog.read(lambda view: view.petition(2)) == second
    assert await catalog.read(lambda view: view.petition_of(digest_of("one"))) == first
    assert await catalog.read(lambda view: view.petition_of(digest_of("three"))) is None
    assert await catalog.read(lambda view: view.petition(3)) is None


async def test_the_same_token_is_never_given_twice(catalog: Catalog) -> None:
    await put(catalog, "one")
    with pytest.raises(CatalogFailure):
        await put(catalog, "one")


async def test_those_that_wait_are_told_apart(catalog: Catalog) -> None:
    petitions = [await put(catalog, str(number)) for number in range(4)]
    ended = decided(petitions[1], Outcome.UNANSWERED, NOW + HOUR, 7)
    await catalog.write(lambda tx: tx.put_petition(ended))
    assert await catalog.read(lambda view: view.waiting_petitions()) == 3
    assert [entry.petition_id for entry in await catalog.read(lambda view: view.petitions(waiting_only=True))] == [
        1,
        3,
        4,
    ]
    assert await catalog.read(lambda view: view.petitions(after=1, limit=2)) == [ended, petitions[2]]
    assert await catalog.read(lambda view: view.petitions(waiting_only=True, after=3)) == [petitions[3]]


async def test_T11_words_are_forgotten_with_the_decision_and_those_of_who_waits_are_kept(catalog: Catalog) -> None:
    waiting = await put(catalog, "one", Words("olga@example.org", "my cat"))
    ended = await put(catalog, "two", Words("ivan@example.org", ""))
    await catalog.write(lambda tx: tx.put_petition(decided(ended, Outcome.DECLINED, NOW + HOUR)))
    both = await catalog.read(lambda view: view.petition_words([1, 2, 3]))
    assert both == {1: Words("olga@example.org", "my cat"), 2: Words("ivan@example.org", "")}
    assert await catalog.write(lambda tx: tx.forget_petition_words(NOW + HOUR)) == 0
    assert await catalog.write(lambda tx: tx.forget_petition_words(NOW + HOUR + 1)) == 1
    assert list(await catalog.read(lambda view: view.petition_words([1, 2]))) == [waiting.petition_id]
