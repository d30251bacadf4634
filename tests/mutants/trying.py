"""Whether the tests of a module notice its mutants.

The tests are collected once. For each mutant a child is forked that changes the code of the functions it concerns in
place and runs those tests that reach the changed lines, the quickest first, up to the first that fails. What takes
effect at import, e.g. a constant, is tried in a child that has imported nothing of ours yet. So a mutant costs what
its tests cost, and no start of an interpreter.
"""

import gc
import importlib.abc
import importlib.util
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, TypeAlias

import hypothesis
import pytest

from tests.mutants.mutating import Mutant, Source

_OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=0")
# Hypothesis is imported before pytest could rewrite it; its own asserts need no better messages here.
_NO_WARNING = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
_LEAST_CPU_SECONDS = 3
_LEAST_SECONDS = 60
_MOST_MEMORY_BYTES = 4 * 1024**3
_CPU_SECONDS_ANEW = 60.0
_SURVIVED, _KILLED, _SAME, _UNFIT, _BROKEN = 0, 1, 97, 98, 99
_CONTROL = -1
"""The place of no mutant: the module as it is must survive everything that a mutant goes through."""


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMEOUT = "timeout"  # killed as well: a test that never ends does not pass
    SURVIVED = "survived"
    SAME = "same"  # it compiles to what the module is: no mutant


@dataclass(frozen=True, slots=True)
class Reach:
    """What a test reaches of the module, and what it costs."""

    place: int
    cpu_seconds: float
    lines: frozenset[int]


class TestsFail(Exception):
    """The tests don't pass on the module as it is: nothing can be said of mutants."""

    __test__ = False


def try_mutants(source: Source, module: str, tests: Sequence[str], jobs: int) -> dict[Mutant, Fate]:
    """Try every mutant of a module. Nothing of `ipsync` may be imported in this process.

    Args:
        source: the module's.
        module: its dotted name.
        tests: files of tests, from the root of the checkout.
        jobs: how many are tried at once.

    Raises:
        TestsFail: with what the tests printed.
    """
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=_room()) as folder:
        room = Path(folder)
        fates = _in_place(source, module, tests, jobs, room)
        later = [place for place, mutant in enumerate(source.mutants) if place not in fates]
        children = _Children(jobs, room)
        for place in [_CONTROL, *later]:
            mutant = None if place == _CONTROL else source.mutants[place]
            children.start(place, lambda mutant=mutant: _anew(source, module, mutant, tests))
        fates |= children.ended()
    if fates[_CONTROL] is not Fate.SURVIVED:
        raise TestsFail("a second run of them ended otherwise")
    return {mutant: fates[place] for place, mutant in enumerate(source.mutants) if fates[place] is not Fate.SAME}


def _room() -> str | None:
    # In memory nobody waits for a disk.
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _in_place(source: Source, module: str, tests: Sequence[str], jobs: int, room: Path) -> dict[int, Fate]:
    """Try what takes effect when a function is called; places that are missing need an import anew."""
    answer, told = room / "answer.json", room / "told.txt"

    def serve() -> int:
        return int(
            pytest.main([*_OPTIONS, *_NO_WARNING, *tests], plugins=[_Server(source, module, jobs, room, answer)])
        )

    pid = os.fork()
    if pid == 0:
        _become(told, serve)
    os.waitpid(pid, 0)
    if not answer.exists():
        raise TestsFail(told.read_text(encoding="utf-8", errors="replace")[-8000:])
    return {int(place): Fate(fate) for place, fate in json.loads(answer.read_text(encoding="utf-8")).items()}


def _anew(source: Source, module: str, mutant: Mutant | None, tests: Sequence[str]) -> int:
    """Run all tests on a module that is imported with the change, or without any."""
    _limit(_CPU_SECONDS_ANEW)
    code = source.original if mutant is None else source.code(mutant)
    if mutant is not None and code == source.original:
        return _SAME
    sys.meta_path.insert(0, _Mutated(module, source.path, code))
    passed = pytest.main([*_OPTIONS, *_NO_WARNING, "-x", *tests], plugins=[_Repeatable()]) == pytest.ExitCode.OK
    return _SURVIVED if passed else _KILLED


class _Mutated(importlib.abc.MetaPathFinder, SourceFileLoader):
    """Gives one module with a change in it."""

    def __init__(self, module: str, path: Path, code: CodeType) -> None:
        super().__init__(module, str(path))
        self._code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def get_code(self, fullname: str) -> CodeType:
        return self._code


class _Repeatable:
    """Property tests draw the same examples every time, and do not look for the smallest that fails."""

    def pytest_configure(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        checks = list(hypothesis.HealthCheck)
        hypothesis.settings.register_profile(
            "mutants", derandomize=True, deadline=None, database=None, phases=phases, suppress_health_check=checks
        )
        hypothesis.settings.load_profile("mutants")


class _Server(_Repeatable):
    """Stands in for the run of the collected tests: forks a child for each mutant."""

    def __init__(self, source: Source, module: str, jobs: int, room: Path, answer: Path) -> None:
        self._source = source
        self._module = module
        self._jobs = jobs
        self._room = room
        self._answer = answer

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            print(report.longreprtext)  # no run ends here that would print it

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Failed("not all tests could be collected")
        reaches = self._baseline(session)
        self._living = _living(self._source)
        gc.freeze()  # children share the memory longer where nobody looks through it
        children = _Children(self._jobs, self._room)
        fates = {}
        for place, mutant in [(_CONTROL, None), *enumerate(self._source.mutants)]:
            if mutant is not None and mutant.at_import:
                continue
            told = [reach for reach in reaches if mutant is None or not reach.lines.isdisjoint(mutant.lines)]
            if not told:
                fates[place] = Fate.SURVIVED
                continue
            told.sort(key=lambda reach: reach.cpu_seconds)
            children.start(place, lambda mutant=mutant, told=told: self._try(session, mutant, told))
        fates |= children.ended()
        if fates.pop(_CONTROL) is not Fate.SURVIVED:
            raise session.Failed("a second run of the tests ended otherwise")
        self._answer.write_text(json.dumps(fates), encoding="utf-8")
        return True

    def _baseline(self, session: pytest.Session) -> list[Reach]:
        """Run all tests on the module as it is, in a child."""
        told = self._room / "baseline.json"
        pid = os.fork()
        if pid == 0:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(_fresh(self._room / "baseline"))
            lines = [self._traced(item) for item in session.items]
            if session.testsfailed == 0:
                told.write_text(json.dumps(lines), encoding="utf-8")
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(pid, 0)
        if not told.exists():
            raise session.Failed("the tests fail without any mutant")
        read = json.loads(told.read_text(encoding="utf-8"))
        return [Reach(place, cpu_seconds, frozenset(lines)) for place, (cpu_seconds, lines) in enumerate(read)]

    def _traced(self, item: pytest.Item) -> tuple[float, list[int]]:
        lines: set[int] = set()
        name = str(self._source.path)

        def in_module(frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "line":
                lines.add(frame.f_lineno)
            return in_module

        def everywhere(frame: FrameType, _event: str, _argument: Any) -> Any:
            return in_module if frame.f_code.co_filename == name else None

        began = time.process_time()
        threading.settrace(everywhere)
        sys.settrace(everywhere)
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]  # reason: that is how it is switched off
        return time.process_time() - began, sorted(lines)

    def _try(self, session: pytest.Session, mutant: Mutant | None, told: list[Reach]) -> int:
        if mutant is not None:
            code = self._source.code(mutant)
            if code == self._source.original:
                return _SAME
            if not _swap(self._living, self._source.original, code):
                return _UNFIT
        items = [session.items[reach.place] for reach in told]
        for reach, item, following in zip(told, items, [*items[1:], None], strict=True):
            _limit(4 * reach.cpu_seconds)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                return _KILLED
        return _SURVIVED


_Place: TypeAlias = tuple[str, int]


def _living(source: Source) -> dict[_Place, list[FunctionType]]:
    """The functions of a module as they are in memory, wherever they were handed to."""
    living: dict[_Place, list[FunctionType]] = {}
    for found in gc.get_objects():
        if isinstance(found, FunctionType) and found.__code__.co_filename == str(source.path):
            living.setdefault(_place(found.__code__), []).append(found)
    return living


def _swap(living: dict[_Place, list[FunctionType]], original: CodeType, code: CodeType) -> bool:
    """Give living functions the changed code; False where that cannot be done."""
    before, after = dict(_functions(original)), dict(_functions(code))
    changed = [place for place, now in after.items() if before.get(place) != now and place in living]
    for place in changed:
        for function in living[place]:
            if function.__code__.co_freevars != after[place].co_freevars:
                return False
            function.__code__ = after[place]
    return bool(changed)


def _place(code: CodeType) -> _Place:
    return code.co_qualname, code.co_firstlineno


def _functions(code: CodeType) -> Iterator[tuple[_Place, CodeType]]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield _place(inner), inner
            yield from _functions(inner)


class _Children:
    """Several children at once, each with a room of its own and limits."""

    def __init__(self, most: int, room: Path) -> None:
        self._most = most
        self._room = room
        self._running: dict[int, int] = {}
        self._fates: dict[int, Fate] = {}

    def start(self, place: int, work: Callable[[], int]) -> None:
        """Let a child do `work`; its exit code tells the fate."""
        while len(self._running) >= self._most:
            self._wait()
        room = self._room / str(place)
        pid = os.fork()
        if pid == 0:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(_fresh(room))
            _become(Path(os.devnull), work)
        self._running[pid] = place

    def ended(self) -> dict[int, Fate]:
        """Wait for all; those that could not be tried this way are missing."""
        while self._running:
            self._wait()
        return self._fates

    def _wait(self) -> None:
        pid, status = os.wait()
        place = self._running.pop(pid)
        shutil.rmtree(self._room / str(place), ignore_errors=True)
        fate = _fate(status)
        if fate is not None:
            self._fates[place] = fate


def _fate(status: int) -> Fate | None:
    if os.WIFSIGNALED(status):
        return Fate.TIMEOUT
    code = os.waitstatus_to_exitcode(status)
    if code == _BROKEN:
        raise RuntimeError("a mutant could not be made: run it alone to see why")
    return {_SURVIVED: Fate.SURVIVED, _SAME: Fate.SAME, _UNFIT: None}.get(code, Fate.KILLED)


def _limit(cpu_seconds: float) -> None:
    """End this process if from now on it takes longer than what comes next should, or much memory."""
    most = int(time.process_time() + cpu_seconds) + _LEAST_CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.setitimer(signal.ITIMER_REAL, _LEAST_SECONDS + 10 * cpu_seconds)


def _fresh(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _become(told: Path, work: Callable[[], int]) -> None:
    """In a child: do the work, print into a file, and end without any of the parent's endings."""
    code = _BROKEN
    try:
        descriptor = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        sys.stdout.flush()
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        code = work()
    except BaseException:  # noqa: BLE001  # reason: a child never goes on where its parent was
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def preload(names: Iterable[str]) -> None:
    """Import other people's libraries, so that children find them there."""
    for name in names:
        importlib.import_module(name)
