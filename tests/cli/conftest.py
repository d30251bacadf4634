"""The command line in this process, and a stocked mirror to try it on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.command_line import Outcome, ipsync_here
from tests.fakes.site import LiveSite, SiteMirror, stocked_mirror


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run a command line: `cli("config", "check", env={...})`."""
    return ipsync_here(capsys, monkeypatch)


@pytest.fixture(scope="session")
def shared_site() -> Iterator[LiveSite]:
    """A site that nobody changes."""
    with LiveSite() as site:
        yield site


@pytest.fixture(scope="session")
def _stock(shared_site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> SiteMirror:
    return stocked_mirror(tmp_path_factory.mktemp("stock") / "mirror", shared_site)


@pytest.fixture
def mirror(_stock: SiteMirror, tmp_path: Path) -> SiteMirror:
    """A stocked mirror of a site that must not be changed."""
    return _stock.copy_to(tmp_path / "mirror")


@pytest.fixture
def own_mirror(tmp_path: Path) -> Iterator[SiteMirror]:
    """A stocked mirror of a site that may be changed."""
    with LiveSite() as site:
        yield stocked_mirror(tmp_path / "own", site)


@pytest.fixture
def on(cli: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Run a command on a mirror: `on(mirror, "status")`."""

    def call(mirror: SiteMirror, *words: str) -> Outcome:
        return cli(*words, env=mirror.env)

    return call
