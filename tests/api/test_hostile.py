"""What nobody polite sends: each gets a short answer, nothing of its own back, and others are served."""

from pathlib import Path

from ipsync.web import Limits
from tests.api.hostile import crowd, misanswered
from tests.api.serving import reachable


def test_F30_F33_F37_hostile_requests_get_short_answers_and_nothing_back(tmp_path: Path) -> None:
    with reachable(tmp_path) as api:
        assert misanswered(api) == []


def test_F23_a_crowd_is_put_off_and_everybody_is_served_afterwards(tmp_path: Path) -> None:
    with reachable(tmp_path, Limits(connections=60)) as api:
        found = crowd(api, 200)
    assert found.answered + found.put_off + found.dropped == 200
    assert found.answered == 60
    assert found.after_seconds < 30
