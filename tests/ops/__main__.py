"""`make ops`: what is promised to operators, looked at on this machine; one line per promise.

`python -m tests.ops [PART...]`; ends with 3 where a promise does not hold.
"""

import sys
from collections.abc import Callable, Iterator

from tests.ops import console, container, dashboard, debian, hygiene, packages, prometheus, pythons, systemd, typed_docs
from tests.ops.promises import Promise, Unavailable, show

PARTS: dict[str, Callable[[], Iterator[Promise]]] = {
    "prometheus": prometheus.promises,
    "console": console.promises,
    "dashboard": dashboard.promises,
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
    good = True
    for name, look in PARTS.items():
        if chosen and name not in chosen:
            continue
        try:
            good = show(name, look()) and good
        except (Unavailable, TimeoutError, RuntimeError) as failure:
            print(f"BROKEN  {name}: {failure}", flush=True)
            good = False
    return 0 if good else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
