"""How many findings of audits stand: a number in the catalog, for whoever tells a person of them.

The whole audit and the daemon's own keep one each, since the one sees what the other cannot. A number goes when the
same kind of audit finds nothing any more.
"""

from ipsync.ports.catalog import Catalog, View

WHOLE = "findings of the whole audit"
WATCH = "findings of the daemon's audit"


async def remember_findings(catalog: Catalog, note: str, number: int) -> None:
    """Keep how many findings an audit left; nothing is written where that is known already.

    Args:
        catalog: the durable memory.
        note: WHOLE or WATCH.
        number: of findings that were not mended.

    Raises:
        CatalogFailure: it could not be kept.
    """
    if await catalog.read(lambda view: _noted(view, note)) != number:
        await catalog.write(lambda tx: tx.set_note(note, str(number)))


def findings_standing(view: View) -> int:
    """How many findings stand."""
    return max(_noted(view, WHOLE), _noted(view, WATCH))


def _noted(view: View, note: str) -> int:
    text = view.note(note) or "0"
    return int(text) if text.isdecimal() and len(text) < 12 else 0
