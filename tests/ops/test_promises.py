"""What `make ops` prints: a line a promise, whatever happens while it looks."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.ops.promises import Promise, Unavailable, show


def falls_over(failure: BaseException) -> Iterator[Promise]:
    yield Promise("it is seen", True, "first\nsecond")
    yield Promise("it cannot be seen", None, "no such thing here")
    raise failure


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (Unavailable("podman cannot be installed"), "podman cannot be installed\n"),
        (TimeoutError("waited in vain"), "waited in vain\n"),
        (SystemExit("There is no Chromium."), "There is no Chromium. (test_promises.py:"),
        (
            subprocess.CalledProcessError(7, ["x"], b"", b"why\nit fell"),
            "exit status 7.: why it fell (test_promises.py:",
        ),
    ],
)
def test_a_part_that_falls_over_is_a_broken_promise_and_no_end(
    capsys: pytest.CaptureFixture[str], failure: BaseException, told: str
) -> None:
    assert list(show("part", falls_over(failure))) == [True, None, False]

    lines = capsys.readouterr().out.splitlines(keepends=True)
    assert lines[:2] == [
        "holds   part: it is seen: first second\n",
        "unseen  part: it cannot be seen: no such thing here\n",
    ]
    assert len(lines) == 3
    assert lines[2].startswith("BROKEN  part: ")
    assert told in lines[2]
