"""Stop a forked child at its k-th write, sync, rename or unlink, and kill it there or let the call fail.

What `strace -e inject` does, in a few lines, so that tests need nothing installed: the child asks to be traced and
filters its own system calls (seccomp), so that only those that change files stop; the parent looks at each
by its registers. Calls on other files than those of one folder go through uncounted.
"""

import ctypes
import errno
import os
import platform
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long

_TRACEME, _PEEKDATA, _CONT, _GETREGSET, _SETREGSET, _SETOPTIONS, _GETEVENTMSG = 0, 2, 7, 0x4204, 0x4205, 0x4200, 0x4201
_OPTIONS = 0x08 | 0x80 | 0x100000  # new threads are traced too, seccomp stops, nobody outlives the parent
_EVENT_CLONE, _EVENT_SECCOMP = 3, 7
_NT_PRSTATUS, _NT_ARM_SYSTEM_CALL = 1, 0x404
_WALL = 0x40000000
_AT_FDCWD = -100
_O_CREAT, _O_TRUNC = os.O_CREAT, os.O_TRUNC

_X86 = platform.machine() == "x86_64"
_CALLS = (
    {
        "write": 1, "pwrite64": 18, "writev": 20, "pwritev": 296, "fsync": 74, "fdatasync": 75, "ftruncate": 77,
        "rename": 82, "mkdir": 83, "rmdir": 84, "unlink": 87, "mkdirat": 258, "unlinkat": 263, "renameat": 264,
        "fallocate": 285, "renameat2": 316, "copy_file_range": 326, "openat": 257, "link": 86, "linkat": 265,
        "syncfs": 306,
    }
    if _X86
    else {
        "write": 64, "pwrite64": 68, "writev": 66, "pwritev": 70, "fsync": 82, "fdatasync": 83, "ftruncate": 46,
        "mkdirat": 34, "unlinkat": 35, "renameat": 38, "fallocate": 47, "renameat2": 276, "copy_file_range": 285,
        "openat": 56, "linkat": 37, "syncfs": 267,
    }
)  # fmt: skip
_NAMES = {number: name for name, number in _CALLS.items()}
_ARGUMENTS = (14, 13, 12, 7, 9, 8) if _X86 else (0, 1, 2, 3, 4, 5)
"""Where the arguments lie among the registers, in words."""
_RESULT, _NUMBER = (10, 15) if _X86 else (0, 8)
_BY_DESCRIPTOR = {"write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "ftruncate", "fallocate", "syncfs"}
_WRITES = {"write", "pwrite64"}
_WITHOUT_ROOM = {"unlink", "unlinkat", "rmdir", "fsync", "fdatasync", "syncfs", "ftruncate"}
"""What a full disk does not refuse."""


class Harm(Enum):
    """What is done at the chosen call."""

    KILL = "kill"
    EIO = "EIO"
    ENOSPC = "ENOSPC"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that would change a file."""

    name: str
    path: str

    def __str__(self) -> str:
        return f"{self.name} {Path(self.path).name}"


@dataclass(frozen=True, slots=True)
class Traced:
    """How a child ended.

    Attributes:
        calls: what it was about to do, in order; the last one is where harm was done, if it was.
        told: what it wrote to its pipe.
        exit_code: of `waitstatus_to_exitcode`: negative where a signal ended it.
    """

    calls: list[Call]
    told: bytes
    exit_code: int


class _Registers(ctypes.Structure):
    _fields_ = [("word", ctypes.c_ulonglong * 40)]


class _IoVector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def traced(
    child: Callable[[int], None],
    folder: Path,
    at: int | None,
    harm: Harm,
    before: Callable[[Call], None] = lambda _call: None,
) -> Traced:
    """Run `child` in a process of its own and do harm at its `at`-th call that would change a file in `folder`.

    Args:
        child: what to run; given the descriptor of a pipe to tell things through. To be called from a
            process without threads.
        folder: what counts.
        at: which call, from 1; None only counts.
        harm: what to do there.
        before: told of each call just before it is made, the harmed one included.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        _be(child, writing)
    os.close(writing)
    os.set_blocking(reading, False)
    tracer = _Tracer(pid, str(folder), at, harm, before, reading)
    try:
        code = tracer.follow()
    finally:
        tracer.drain()
        os.close(reading)
    return Traced(tracer.calls, tracer.told, code)


def _be(child: Callable[[int], None], pipe: int) -> None:
    code = 1
    try:
        _checked(_TRACEME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        _filter_own_calls()
        child(pipe)
        code = 0
    except BaseException as error:  # noqa: BLE001  # reason: a child ends here, whatever happens
        import traceback

        os.write(2, "".join(traceback.format_exception(error)).encode()[-4000:])
    finally:
        os._exit(code)


class _Tracer:
    def __init__(
        self, pid: int, folder: str, at: int | None, harm: Harm, before: Callable[[Call], None], pipe: int
    ) -> None:
        self._pid, self._folder, self._at, self._harm, self._before = pid, folder, at, harm, before
        self._pipe = pipe
        self.calls: list[Call] = []
        self.told = b""

    def drain(self) -> None:
        while True:
            try:
                part = os.read(self._pipe, 65536)
            except BlockingIOError:
                return
            if not part:
                return
            self.told += part

    def follow(self) -> int:
        os.waitpid(self._pid, _WALL)
        _checked(_SETOPTIONS, self._pid, None, _OPTIONS)
        _checked(_CONT, self._pid, None, None)
        while True:
            thread, status = os.waitpid(-1, _WALL)
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                if thread == self._pid:
                    return os.waitstatus_to_exitcode(status)
                continue
            received = os.WSTOPSIG(status)
            event = status >> 16
            if event == _EVENT_SECCOMP:
                self.drain()
                if not self._stopped(thread):
                    continue
            passed_on = 0 if event or received in (signal.SIGSTOP, signal.SIGTRAP) else received
            _libc.ptrace(_CONT, thread, None, passed_on)  # a thread that was killed meanwhile is gone: no error

    def _stopped(self, thread: int) -> bool:
        """Look at a call about to be made. Returns whether the thread is to go on."""
        registers = _registers(thread)
        name = _NAMES[ctypes.c_int(registers.word[_NUMBER]).value]
        path = self._path(thread, name, registers)
        if path is None or not path.startswith(self._folder) or path.endswith("-shm"):
            return True  # the index of SQLite's log is made anew by whoever opens it first
        call = Call(name, path)
        self._before(call)
        self.calls.append(call)
        number = len(self.calls)
        if number != self._at:
            return True
        if self._harm is Harm.KILL:
            os.kill(self._pid, signal.SIGKILL)
            return False
        if self._harm is Harm.SHORT:
            if name in _WRITES and registers.word[_ARGUMENTS[2]] > 1:
                registers.word[_ARGUMENTS[2]] //= 2
                _set_registers(thread, registers)
            return True
        if self._harm is Harm.ENOSPC and name in {
            "unlink",
            "unlinkat",
            "rmdir",
            "fsync",
            "fdatasync",
            "syncfs",
            "ftruncate",
        }:
            return True  # a full disk refuses none of these
        _refuse(thread, registers, errno.EIO if self._harm is Harm.EIO else errno.ENOSPC)
        return True

    def _path(self, thread: int, name: str, registers: _Registers) -> str | None:
        def argument(position: int) -> int:
            return int(registers.word[_ARGUMENTS[position]])

        if name in _BY_DESCRIPTOR:
            return _link(thread, argument(0))
        if name == "copy_file_range":
            return _link(thread, argument(2))
        if name == "openat" and not argument(2) & (_O_CREAT | _O_TRUNC):
            return None
        first = 0 if name in {"rename", "mkdir", "rmdir", "unlink", "link"} else 1
        text = os.fsdecode(_text(thread, argument(first)))
        if text.startswith("/"):
            return text
        at = ctypes.c_int(argument(0)).value if first else _AT_FDCWD
        base = str(Path(f"/proc/{thread}/cwd").readlink()) if at == _AT_FDCWD else _link(thread, at)
        found = None if base is None else f"{base}/{text}"
        if name == "openat" and found is not None and os.path.lexists(found) and not argument(2) & _O_TRUNC:
            return None  # nothing is made
        return found


def _link(thread: int, descriptor: int) -> str | None:
    try:
        return str(Path(f"/proc/{thread}/fd/{ctypes.c_int(descriptor).value}").readlink())
    except OSError:
        return None


def _text(thread: int, address: int) -> bytes:
    found = b""
    with Path(f"/proc/{thread}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        while b"\0" not in found and len(found) < 4096:
            found += memory.read(256 - (address + len(found)) % 256)
    return found.partition(b"\0")[0]


def _registers(thread: int) -> _Registers:
    registers = _Registers()
    vector = _IoVector(ctypes.addressof(registers), ctypes.sizeof(registers))
    _checked(_GETREGSET, thread, _NT_PRSTATUS, ctypes.addressof(vector))
    return registers


def _set_registers(thread: int, registers: _Registers) -> None:
    size = 27 * 8 if _X86 else 34 * 8
    vector = _IoVector(ctypes.addressof(registers), size)
    _checked(_SETREGSET, thread, _NT_PRSTATUS, ctypes.addressof(vector))


def _refuse(thread: int, registers: _Registers, number: int) -> None:
    """Let the call not be made and return an error instead."""
    if _X86:
        registers.word[_NUMBER] = ctypes.c_ulonglong(-1).value
    else:
        none = ctypes.c_int(-1)
        vector = _IoVector(ctypes.addressof(none), ctypes.sizeof(none))
        _checked(_SETREGSET, thread, _NT_ARM_SYSTEM_CALL, ctypes.addressof(vector))
    registers.word[_RESULT] = ctypes.c_ulonglong(-number).value
    _set_registers(thread, registers)


def _checked(request: int, pid: int, address: int | None, data: int | None) -> None:
    if _libc.ptrace(request, pid, address, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace {request:#x}: {os.strerror(number)}")


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction))]


def _filter_own_calls() -> None:
    """Stop this process, and only at calls that change files."""
    load, equal, give = 0x20, 0x15, 0x06
    trace, allow = 0x7FF00000, 0x7FFF0000
    numbers = sorted(_CALLS.values())
    rows = [_Instruction(load, 0, 0, 0)]
    rows += [_Instruction(equal, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    rows += [_Instruction(give, 0, 0, allow), _Instruction(give, 0, 0, trace)]
    array = (_Instruction * len(rows))(*rows)
    program = _Program(len(rows), array)
    if _libc.prctl(38, 1, 0, 0, 0) or _libc.prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "no filter of system calls")
