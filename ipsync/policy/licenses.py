"""The licenses ipernity knows, and what each allows (T06, T07, T08).

A license number that is not listed here allows nothing: in doubt we do not copy.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class License:
    """One license of ipernity: its number there, a name and a page for readers, and whether commerce is allowed."""

    license_id: int
    name: str
    link: str
    commercial: bool


_CC = "https://creativecommons.org/licenses/"
LICENSES: dict[int, License] = {
    entry.license_id: entry
    for entry in (
        License(0, "All rights reserved", "https://en.wikipedia.org/wiki/All_rights_reserved", commercial=False),
        License(1, "CC BY", f"{_CC}by/3.0/", commercial=True),
        License(3, "CC BY-NC", f"{_CC}by-nc/3.0/", commercial=False),
        License(5, "CC BY-ND", f"{_CC}by-nd/3.0/", commercial=True),
        License(7, "CC BY-NC-ND", f"{_CC}by-nc-nd/3.0/", commercial=False),
        License(9, "CC BY-SA", f"{_CC}by-sa/3.0/", commercial=True),
        License(11, "CC BY-NC-SA", f"{_CC}by-nc-sa/3.0/", commercial=False),
        License(255, "Copyleft (free use)", "https://artlibre.org/licence/lal/en/", commercial=True),
    )
}
