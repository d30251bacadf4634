"""The documentation as pages: they build without a warning, and load nothing from elsewhere."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.ops.promises import Promise, Unavailable

_ROOT = Path(__file__).resolve().parents[2]
# What a browser fetches by itself; where a link leads is the reader's own step.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|data)=["']?((?:https?:)?//[^"'>\s]+)"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|icon|preload|preconnect|dns-prefetch|manifest|modulepreload))"""
    r"""[^>]*?\bhref=["']?((?:https?:)?//[^"'>\s]+)"""
)
_FETCHED_BY_STYLE = re.compile(r"""(?:url\(|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")
# The theme's script fetches a library for them.
_DIAGRAM = re.compile(r"""class=["']?mermaid""")
_MADE = ("settings", "commands", "metrics", "http", "events")


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    mkdocs = Path(sys.executable).with_name("mkdocs")
    if not mkdocs.exists():
        raise Unavailable("mkdocs is not installed: make ops does that")
    with tempfile.TemporaryDirectory() as place:
        environ = dict(os.environ) | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(_ROOT)}
        build = [str(mkdocs), "build", "--quiet", "--strict", "--site-dir", place]
        done = subprocess.run(build, cwd=_ROOT, env=environ, capture_output=True, text=True, check=False)
        said = (done.stdout + done.stderr).strip()
        pages = sorted(Path(place).rglob("*.html"))
        figure = said[-300:] or f"{len(pages)} pages"
        yield Promise("the documentation builds, every warning an error", not done.returncode and not said, figure)
        missing = [name for name in _MADE if not (Path(place) / "reference" / f"{name}.html").is_file()]
        yield Promise("there is a reference of each kind", not missing, ", ".join(missing or _MADE))
        yield _from_elsewhere(Path(place), pages)


def _from_elsewhere(place: Path, pages: list[Path]) -> Promise:
    found = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fetched = [first or second for first, second in _FETCHED.findall(text)] + _FETCHED_BY_STYLE.findall(text)
        found += [f"{page.relative_to(place)}: {what}" for what in (*fetched, *_DIAGRAM.findall(text))]
    styles = sorted(place.rglob("*.css"))
    for style in styles:
        fetched = _FETCHED_BY_STYLE.findall(style.read_text(encoding="utf-8"))
        found += [f"{style.relative_to(place)}: {what}" for what in fetched]
    figure = "; ".join(found[:3]) or f"{len(pages)} pages, {len(styles)} style sheets"
    return Promise("nothing on the pages is loaded from elsewhere", bool(pages) and not found, figure)
