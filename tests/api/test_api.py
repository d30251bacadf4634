"""A short try of the API by schemathesis; `make api` tries longer."""

from tests.api.trying import try_api


def test_schemathesis_finds_nothing() -> None:
    tried = try_api("--max-examples=3", "--seed=1", "--phases=examples,coverage,fuzzing")
    assert tried.returncode == 0, tried.stdout
    assert "No issues found" in tried.stdout
