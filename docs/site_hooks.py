"""Pages of the site that are not written by hand, and links of the checkout that lead out of docs/.

Used by mkdocs (`make docs`). The reference is made from the code, so it cannot say anything else.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ABOUT = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
TEXTS = ("config/ipsync.example.toml", "config/privacy-policy.md", "examples/gallery/gallery.py")
_LINK = re.compile(r"\]\(((?:\.\./)+)([A-Za-z][^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add what lies elsewhere, and what is made from the code."""
    made = {f"about/{name}": (ROOT / name).read_text() for name in ABOUT if (ROOT / name).is_file()}
    made |= {f"about/{Path(name).name}.md": _shown(name) for name in TEXTS if (ROOT / name).is_file()}
    made |= {
        "reference/settings.md": _settings(),
        "reference/commands.md": _commands(),
        "reference/metrics.md": _metrics(),
        "reference/events.md": _events(),
    }
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links that leave docs/ to the pages that were added."""
    depth = page.file.src_uri.count("/")
    from_root = page.file.src_uri.startswith("about/")

    def led(found: re.Match[str]) -> str:
        ups, name, anchor = found[1].count("../"), found[2], found[3] or ""
        if ups <= depth:
            return found[0]
        up = "../" * depth
        if name in ABOUT:
            return f"]({up}about/{name}{anchor})"
        if name in TEXTS:
            return f"]({up}about/{Path(name).name}.md)"
        return f"]({up}README.md)"

    text = _LINK.sub(led, markdown)
    return _from_the_root(text) if from_root else text


def _from_the_root(text: str) -> str:
    """A file of the checkout's root names others from there."""

    def led(found: re.Match[str]) -> str:
        name, anchor = found[1], found[2] or ""
        if re.match(r"[a-z]+:", name):
            return found[0]
        if name.startswith("docs/"):
            return f"](../{name.removeprefix('docs/')}{anchor})"
        return f"]({name}{anchor})" if name in ABOUT else f"](../README.md{'' if name else anchor})"

    return re.sub(r"\]\(([^)#\s]+)(#[^)\s]*)?\)", led, text)


def _shown(name: str) -> str:
    kind = {"toml": "toml", "py": "python"}.get(name.rpartition(".")[2])
    text = (ROOT / name).read_text()
    return text if kind is None else f"# {Path(name).name}\n\n```{kind}\n{text}\n```\n"


def _settings() -> str:
    """Every setting, as the example shows it: its section, default and reason."""
    text = (ROOT / "config" / "ipsync.example.toml").read_text()
    return f"# Settings\n\nEvery key with its unit, default and reason.\n\n```toml\n{text}\n```\n"


def _commands() -> str:
    from ipsync.cli.manual import commands

    lines = ["# Commands", "", "`ipsync COMMAND --help` says the same, with examples.", ""]
    for words, command in commands():
        told = " ".join((command.help or "").replace("\b", "").split())
        lines += [f"## ipsync {' '.join(words)}", "", _escaped(told), ""]
        for parameter in command.params:
            if not getattr(parameter, "hidden", False) and getattr(parameter, "help", None):
                names = ", ".join((*parameter.opts, *parameter.secondary_opts))
                lines.append(f"- `{names}`: {_escaped(parameter.help)}")
        lines.append("")
    return "\n".join(lines)


def _metrics() -> str:
    from ipsync.telemetry import Metrics

    rows = []
    for family in Metrics().registry.collect():
        if family.name.startswith("ipsync_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            rows.append(f"| `{name}` | {family.type} | {_escaped(family.documentation)} |")
    return "\n".join(["# Metrics", "", "| name | type | meaning |", "|---|---|---|", *rows, ""])


def _events() -> str:
    from ipsync.telemetry import Event

    rows = [f"| `{event.value}` | {_escaped(event.meaning)} |" for event in Event]
    return "\n".join(["# Events in the log", "", "| event | when |", "|---|---|", *rows, ""])


def _escaped(text: str) -> str:
    return re.sub(r"([<>|*_\[\]])", r"\\\1", text)
