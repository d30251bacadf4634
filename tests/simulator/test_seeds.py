"""Same seed, same world; and the arithmetic behind it fits together."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ipsync.simulator import World
from ipsync.simulator.seeds import Seeds


def _all(seed: int) -> list[tuple[object, ...]]:
    world = World(3, 40, seed)
    world.state.base_url = "http://x"
    return [
        (one.document_id, one.owner.user_id, one.title, one.share, one.license, one.token, one.original.md5())
        for one in world.state.library
    ]


def test_same_seed_same_world() -> None:
    assert _all(7) == _all(7)
    assert World(3, 40, 7).api_key == World(3, 40, 7).api_key
    first, second = World(3, 40, 7), World(3, 40, 7)
    assert [one.describe() for one in first.members] == [one.describe() for one in second.members]
    tokens = [world.state.grant(world.members[0], {"doc": "read"}).value for world in (first, second)]
    assert tokens[0] == tokens[1]


def test_another_seed_is_another_world() -> None:
    assert not set(_all(1)) & set(_all(2))
    assert World(1, 1, 1).api_key != World(1, 1, 2).api_key


def test_ids_have_eight_digits_and_grow_with_time() -> None:
    world = World(10, 2_000, 3)
    documents = sorted(world.state.library, key=lambda one: one.document_id)
    assert len(documents) == 20_000
    assert all(10_000_000 <= one.document_id < 100_000_000 for one in documents)
    assert all(
        before.document_id < after.document_id and before.posted_at <= after.posted_at
        for before, after in pairwise(documents)
    )


def test_a_million_ids_have_eight_digits_too() -> None:
    for seed in range(20):
        seeds = Seeds(seed, 10, 100_000)
        assert seeds.document_id(seeds.total - 1) < seeds.first_free_id() < 100_000_000


def test_every_token_is_unique_and_stands_in_title_description_and_picture() -> None:
    documents = list(World(4, 100, 5).state.library)
    assert len({one.token for one in documents}) == len(documents)
    for one in documents:
        assert one.token in one.title
        assert one.token in one.description
        assert one.original.content().count(one.token.encode()) == 1


def test_most_documents_are_public_and_every_level_and_kind_occurs() -> None:
    documents = list(World(1, 40, 1).state.library)
    shares = [one.share for one in documents]
    assert set(shares) == {0, 1, 2, 3, 4}
    assert shares.count(4) == 32
    assert {one.kind for one in documents} == {"photo", "video", "audio"}
    assert {one.safety for one in documents} == {1}
    assert len({one.license for one in World(1, 200, 1).state.library}) == 8


def test_members_have_plausible_ids_and_relations() -> None:
    members = World(6, 0, 1).members
    assert all(10_000 <= one.user_id <= 999_999 for one in members)
    assert len({one.user_id for one in members}) == len({one.cookie for one in members}) == 6
    assert all(one.friends and one.family and not one.friends & one.family for one in members)


def test_one_member_alone_has_no_relations() -> None:
    (alone,) = World(1, 1, 1).members
    assert not alone.friends
    assert not alone.family


@given(st.integers(), st.integers(1, 50), st.integers(1, 200), st.data())
def test_number_owner_and_ordinal_are_inverse(seed: int, members: int, documents: int, data: st.DataObject) -> None:
    seeds = Seeds(seed, members, documents)
    number = data.draw(st.integers(0, seeds.total - 1))
    owner, ordinal, _, _ = seeds.facts(number)
    assert seeds.number_at(owner, ordinal) == number
    assert seeds.number(seeds.document_id(number)) == number
    assert seeds.number(seeds.document_id(number) - 10**9) is None
