"""`make ops`: what is promised to operators, looked at on this machine; one line per promise.

`python -m tests.ops [PART...]`; ends with 3 where a promise does not hold.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from tests.ops import (
    console,
    container,
    dashboard,
    debian,
    hygiene,
    packages,
    prometheus,
    pythons,
    site,
    systemd,
    typed_docs,
)
from tests.ops.promises import Promise, show

PARTS: dict[str, Callable[[], Iterator[Promise]]] = {
    "prometheus": prometheus.promises,
    "console": console.promises,
    "dashboard": dashboard.promises,
    "site": site.promises,
    "docs": typed_docs.promises,
    "packages": packages.promises,
    "hygiene": hygiene.promises,
    "systemd": systemd.promises,
    "debian": debian.promises,
    "pythons": pythons.promises,
    "container": container.promises,
}


def main(chosen: list[str]) -> int:
    """Look at the chosen parts, or all."""
    unknown = set(chosen) - set(PARTS)
    if unknown:
        print(f"no part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    began, seen = time.monotonic(), Counter[bool | None]()
    for name, look in PARTS.items():
        if not chosen or name in chosen:
            seen.update(show(name, look()))
    minutes = (time.monotonic() - began) / 60
    print(f"{seen[True]} hold, {seen[False]} broken, {seen[None]} could not be shown here; {minutes:.0f} minutes")
    return 3 if seen[False] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
