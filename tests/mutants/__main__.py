"""Mistakes planted one at a time in the modules on which the 24 hours rest, and whether their tests notice (mutation).

`python -m tests.mutants --help`; `make mutants` tries them all. How it works and what it does not tell:
docs/explanation/how-tests-are-tested.md.
"""

import argparse
import os
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutating import Mutant, Source
from tests.mutants.trying import Fate, TestsFail, preload, try_mutants

_HERE = Path(__file__).parent
_GOAL = 0.95
_LIBRARIES = ("aiohttp", "alembic", "cryptography.fernet", "msgspec", "prometheus_client", "sqlmodel", "structlog")


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of the mutants of one module."""

    path: str
    fates: dict[Mutant, Fate]
    seconds: float

    @property
    def survivors(self) -> list[Mutant]:
        """In the order of their lines."""
        return [mutant for mutant, fate in self.fates.items() if fate is Fate.SURVIVED]

    @property
    def killed(self) -> int:
        """Those that never ended among them."""
        return len(self.fates) - len(self.survivors)


def main() -> int:
    """Read the arguments, try, print. Returns the exit code: 0 all well, 3 something survived that should not."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("module", nargs="*", help="only these: a part of the path is enough, e.g. lease")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many are tried at once")
    parser.add_argument("--map", type=Path, default=_HERE / "modules.toml", help="which tests belong to which module")
    parser.add_argument("--explained", type=Path, default=_HERE / "survivors.toml", help="which may survive, and why")
    parser.add_argument("--print-modules", action="store_true", help="print the modules, with commas, and end")
    parser.add_argument("--print-tests", action="store_true", help="print the tests, and end")
    given = parser.parse_args()

    modules: dict[str, list[str]] = tomllib.loads(given.map.read_text(encoding="utf-8"))["modules"]
    chosen = {path: tests for path, tests in modules.items() if _is_meant(path, given.module)}
    if not chosen:
        parser.error(f"{given.map} names none of these; it names {', '.join(modules)}")
    if given.print_modules:
        print(",".join(chosen))
        return 0
    if given.print_tests:
        print(" ".join(sorted({test for tests in chosen.values() for test in tests})))
        return 0
    explained = _read_explained(given.explained)
    preload(_LIBRARIES)
    tried = []
    for path, tests in chosen.items():
        began = time.monotonic()
        try:
            fates = try_mutants(Source(Path(path).resolve()), _dotted(path), tests, given.jobs)
        except TestsFail as failure:
            print(f"{path}: its tests fail without any mutant.\n{failure}", file=sys.stderr)
            return 1
        tried.append(Tried(path, fates, time.monotonic() - began))
        print(f"{path}: {len(fates)} tried in {tried[-1].seconds:.0f} s", file=sys.stderr, flush=True)
    return _tell(tried, explained)


def _is_meant(path: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(part in path for part in wanted)


def _dotted(path: str) -> str:
    return path.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")


def _read_explained(path: Path) -> dict[tuple[str, str, str], str]:
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", [])
    return {(entry["module"], entry["where"], entry["change"]): entry["reason"] for entry in entries}


def _tell(tried: Sequence[Tried], explained: dict[tuple[str, str, str], str]) -> int:
    """Print the survivors and the table; 3 where one is not explained, an explanation is stale, or too many survive."""
    unexplained, stale = 0, []
    for module in tried:
        survivors = {(module.path, mutant.where, mutant.change): mutant for mutant in module.survivors}
        for key, mutant in survivors.items():
            reason = explained.get(key)
            unexplained += reason is None
            print(f"{module.path}:{mutant.lines.start}: {mutant.where}: {mutant.change}")
            print(f"    {'SURVIVED' if reason is None else reason}")
        stale += [key for key in explained if key[0] == module.path and key not in survivors]
    for key in stale:
        print(f"explained, but killed or no longer there: {': '.join(key)}")

    print(f"\n{'module':<44}{'mutants':>8}{'killed':>8}{'survived':>9}{'explained':>10}{'killed %':>10}{'seconds':>8}")
    for module in tried:
        count = sum((module.path, mutant.where, mutant.change) in explained for mutant in module.survivors)
        _row(module.path, len(module.fates), module.killed, count, module.seconds)
    mutants, killed = sum(len(module.fates) for module in tried), sum(module.killed for module in tried)
    if len(tried) > 1:
        _row("together", mutants, killed, mutants - killed - unexplained, sum(module.seconds for module in tried))
    return 3 if unexplained or stale or killed < _GOAL * mutants else 0


def _row(name: str, mutants: int, killed: int, explained: int, seconds: float) -> None:
    share = 100 * killed / mutants if mutants else 100.0
    print(f"{name:<44}{mutants:>8}{killed:>8}{mutants - killed:>9}{explained:>10}{share:>10.1f}{seconds:>8.0f}")


if __name__ == "__main__":
    sys.exit(main())
