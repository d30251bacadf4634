"""Answers that lie: lists emptied, cut, mixed or doubled, totals made up or out of date."""

from collections.abc import Callable
from typing import Any

from ipsync.simulator.faults import Dice, Fault
from ipsync.simulator.methods.shapes import Element

LISTS = {
    "docs": "doc",
    "albums": "album",
    "folders": "folder",
    "groups": "group",
    "posts": "post",
    "comments": "comment",
    "tags": "tag",
}
"""The elements that hold lists, and the member in which the entries stand."""

PageReader = Callable[[int, int], Element]
"""Answers the same call for another page: (page, entries per page) to answer."""


def list_in(answer: Element) -> tuple[Element, str] | None:
    """Return the element of an answer that holds a paged list, and the name of its entries; None if none does."""
    for name, entry in LISTS.items():
        found = answer.get(name)
        if isinstance(found, dict) and "total" in found:
            return found, entry
    for name in ("album", "folder", "group"):
        inner = answer.get(name)
        if isinstance(inner, dict) and (found := list_in(inner)):
            return found
    return None


def _set_total(holder: Element, total: int) -> None:
    holder["total"] = str(total)
    per_page = holder.get("per_page")
    if per_page and "pages" in holder:
        holder["pages"] = str(-(-total // int(per_page)))


def _replace(holder: Element, entry: str, entries: list[Any]) -> None:
    if entries:
        holder[entry] = entries
    else:
        holder.pop(entry, None)


def _mixed(holder: Element, entry: str, dice: Dice, read: PageReader) -> list[Any]:
    """Return as many entries as the page has, picked from the whole listing in a fresh order."""
    total, page, per_page = int(holder["total"]), int(holder["page"]), int(holder["per_page"])
    places = dice.shuffled(list(range(total)))[(page - 1) * per_page : page * per_page]
    picked: list[Any] = []
    for place in places:
        found = list_in(read(place + 1, 1))
        picked.extend(found[0].get(entry, []) if found else [])
    return picked


def mangle(answer: Element, fault: Fault, dice: Dice, key: str, read: PageReader) -> Element:
    """Return the answer as the fault has it; an answer without a list stays as it is.

    Args:
        answer: belongs to this function from now on.
        fault: one of the kinds about lists.
        dice: chance.
        key: names the listing, for a total that grows old.
        read: reads other pages of the same listing.
    """
    found = list_in(answer)
    if found is None:
        return answer
    holder, entry = found
    entries: list[Any] = holder.get(entry, [])
    if fault.kind == "empty_list":
        _set_total(holder, 0)
        _replace(holder, entry, [])
    elif fault.kind == "short_list":
        left = len(entries) // 2 if fault.value < 0 else int(fault.value)
        _replace(holder, entry, entries[:left])
    elif fault.kind == "wrong_total":
        _set_total(holder, int(fault.value))
    elif fault.kind == "stale_total":
        _set_total(holder, int(fault.totals.setdefault(key, holder["total"])))
    elif fault.kind == "shuffle":
        whole = fault.value and "page" in holder
        _replace(holder, entry, _mixed(holder, entry, dice, read) if whole else dice.shuffled(entries))
    elif fault.kind == "duplicate":
        _replace(holder, entry, [*entries, *entries[: int(fault.value)]])
    return answer
