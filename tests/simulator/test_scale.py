"""A million documents cost what a page of them costs."""

import json
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from ipsync.simulator import World
from ipsync.simulator.streams import KINDS, Stream, newest
from tests.simulator.hands import Clock, Hand

_MILLION = """
import json
from pathlib import Path
from ipsync.simulator import World
world = World(10, 100_000, 1)
pages = [world.state.library.stream(member).view(1 << 4)[-100:] for member in world.members]
# VmHWM begins with the program; ru_maxrss would count the test runner's memory before it.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
peak = int(status["VmHWM"].split()[0]) // 1024
print(json.dumps({"peak_megabytes": peak, "seen": sum(map(len, pages))}))
"""


def test_a_million_documents_fit_into_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", _MILLION], capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    assert seen["seen"] == 1_000
    assert seen["peak_megabytes"] < 150


def test_a_page_of_a_large_account_is_right(clock: Clock) -> None:
    world = World(2, 50_000, 1, now=clock)
    mine = Hand(world, world.state.grant(world.members[0], {"doc": "delete"}).value)
    everything = "dates,count,geo,medias,original,md5"
    assert mine.ok("doc.getList", share=4)["docs"]["total"] == "40000"
    for page in range(1, 21):
        docs = mine.ok("doc.getList", share=4, per_page=100, page=page * 20, extra=everything)["docs"]
        assert len(docs["doc"]) == 100
    for doc_id in mine.listed(share=4, per_page=100, page=200):
        mine.ok("doc.delete", doc_id=doc_id)
    assert mine.ok("doc.getList", share=4)["docs"]["total"] == "39900"


_DOCUMENTS = st.dictionaries(st.integers(1, 60), st.tuples(st.integers(0, 4), st.sampled_from(KINDS)), max_size=30)
_STEPS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 4), st.sampled_from(KINDS)), max_size=30)
_VIEWS = st.lists(st.tuples(st.integers(0, 31), st.integers(0, 15)), min_size=1, max_size=4)


@given(_DOCUMENTS, _STEPS, _VIEWS)
def test_views_are_what_a_plain_filter_gives(
    first: dict[int, tuple[int, str]], steps: list[tuple[int, int, str]], views: list[tuple[int, int]]
) -> None:
    """Adds what is not there and removes what is, comparing every view with the obvious answer after each step."""
    known = dict(first)
    stream = Stream(lambda: [(one, *first[one]) for one in sorted(first)])

    def check() -> None:
        for shares, kinds in views:
            plain = [
                one
                for one, (share, kind) in sorted(known.items())
                if shares >> share & 1 and kinds >> KINDS.index(kind) & 1
            ]
            assert list(stream.view(shares, kinds)) == plain

    check()
    for one, share, kind in steps:
        if one in known:
            del known[one]
            stream.remove(one)
        else:
            known[one] = (share, kind)
            stream.add(one, share, kind)
        check()
    assert list(stream.view()) == sorted(known)


@given(st.lists(st.integers(), max_size=30), st.integers(1, 8), st.integers(1, 9))
def test_newest_pages(ids: list[int], page: int, per_page: int) -> None:
    assert newest(ids, page, per_page) == ids[::-1][(page - 1) * per_page : page * per_page]
