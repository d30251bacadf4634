"""docs/reference/http.md holds the addresses of the API as `/v1/openapi.json` describes them."""

from pathlib import Path

from ipsync.web.api import Where
from ipsync.web.app import API

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "http.md"


def table() -> str:
    """The table as it must stand there."""
    lines = ["| address | scope | what | parameters | answers |", "|---|---|---|---|---|"]
    for endpoint in API:
        asked = [f"`{parameter.name}`" for parameter in endpoint.parameters if parameter.where is not Where.PATH]
        statuses = ", ".join(str(status) for status in sorted(endpoint.replies))
        scope = "-" if endpoint.scope is None else endpoint.scope.value
        lines.append(f"| `{endpoint.path}` | {scope} | {endpoint.summary} | {', '.join(asked) or '-'} | {statuses} |")
    return "\n".join(lines)


def test_the_reference_lists_every_address_as_it_is_declared() -> None:
    assert table() in _PAGE.read_text(encoding="utf-8"), f"put this into {_PAGE.name}:\n{table()}"
