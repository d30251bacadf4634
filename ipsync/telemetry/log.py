"""The one log of the process: JSON for machines or lines for a terminal, with redaction built in.

Records of the standard library's logging, our own and those of aiohttp, APScheduler, Alembic and
SQLAlchemy, all pass one formatter. The instant of a record is the one logging took; no clock is
read here.
"""

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ipsync.policy.instants import rfc3339
from ipsync.telemetry.events import Event
from ipsync.telemetry.redaction import process_redactor

OURS = "ipsync"
_GRACE = "ipsync_fields"
_MICROSECONDS = 1_000_000
_RESERVED = ("timestamp", "level", "event", "message", "logger", "exception")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

# Libraries that repeat statements with their values, or addresses of visitors, in their chatter.
_KEPT_QUIET = {
    "aiohttp.access": logging.CRITICAL,
    "aiosqlite": logging.WARNING,
    "apscheduler": logging.WARNING,
    "sqlalchemy": logging.WARNING,
}


class Log:
    """Writes records of one part of the program: an event for machines, a sentence for people, plain fields.

    Field names are ours; ids, counts and durations are welcome, members' words and addresses are not.
    """

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: Event, message: str, /, **fields: object) -> None:
        """Something only a developer wants to see."""
        self._write(logging.DEBUG, event, message, None, fields)

    def info(self, event: Event, message: str, /, **fields: object) -> None:
        """Something happened as it should."""
        self._write(logging.INFO, event, message, None, fields)

    def warning(self, event: Event, message: str, /, *, cause: BaseException | None = None, **fields: object) -> None:
        """Something went wrong that mends itself, or that an operator should know of."""
        self._write(logging.WARNING, event, message, cause, fields)

    def error(self, event: Event, message: str, /, *, cause: BaseException | None = None, **fields: object) -> None:
        """Something went wrong that someone must look at. `cause` adds its traceback."""
        self._write(logging.ERROR, event, message, cause, fields)

    def exception(self, event: Event, message: str, /, **fields: object) -> None:
        """Like `error`, with the traceback of the exception being handled."""
        self._write(logging.ERROR, event, message, sys.exception(), fields)

    def critical(self, event: Event, message: str, /, *, cause: BaseException | None = None, **fields: object) -> None:
        """The promise is in danger, or the process cannot go on."""
        self._write(logging.CRITICAL, event, message, cause, fields)

    def _write(
        self,
        level: int,
        event: Event,
        message: str,
        cause: BaseException | None,
        fields: dict[str, object],
    ) -> None:
        for observer in tuple(_observers):
            observer(event)
        if self._logger.isEnabledFor(level):
            self._logger.log(level, message, exc_info=cause, extra={_GRACE: (event, fields)})


_observers: list[Callable[[Event], None]] = []


def observe_events(observer: Callable[[Event], None]) -> Callable[[], None]:
    """Tell `observer` of every event that is logged, whether or not the log shows it.

    Args:
        observer: called from whatever thread logs; it must be quick and raise nothing.

    Returns:
        A function that ends it.
    """
    _observers.append(observer)
    return lambda: _observers.remove(observer)


def get_log(name: str) -> Log:
    """Give the log of a module; pass `__name__`."""
    return Log(logging.getLogger(name))


def log_context(**fields: object) -> AbstractContextManager[None]:
    """Add fields, e.g. `job="sync"`, to every record written inside a `with` block. Follows tasks."""
    return structlog.contextvars.bound_contextvars(**fields)


def configure_logging(
    level: str,
    layout: str,
    secrets: Iterable[str],
    stream: TextIO | None = None,
) -> Callable[[], None]:
    """Send the log of this process to `stream`.

    Args:
        level: `debug`, `info`, `warning` or `error`; of our own records. Libraries never go below `info`.
        layout: `json`, one object a line; or `console`, for a terminal.
        secrets: values that must never appear; more may follow by `register_secret`.
        stream: standard error unless given.

    Returns:
        A function that puts everything back as it was.

    Raises:
        ValueError: an unknown level or layout.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None or layout not in ("json", "console"):
        raise ValueError(f"log level {level!r} or layout {layout!r} is unknown")
    for secret in secrets:
        process_redactor.add(secret)
    target = sys.stderr if stream is None else stream
    handler = _Handler(target)
    handler.setFormatter(_formatter(layout, colors=target.isatty()))
    levels = {"": max(number, logging.INFO), OURS: number} | {
        name: max(number, quiet) for name, quiet in _KEPT_QUIET.items()
    }
    before = {name: logging.getLogger(name).level for name in levels}
    hooks = (sys.excepthook, threading.excepthook)
    root = logging.getLogger()
    replaced = [entry for entry in root.handlers if isinstance(entry, _Handler)]
    for entry in replaced:
        root.removeHandler(entry)
    root.addHandler(handler)
    for name, value in levels.items():
        logging.getLogger(name).setLevel(value)
    sys.excepthook, threading.excepthook = _log_crash, _log_thread_crash

    def undo() -> None:
        root.removeHandler(handler)
        for entry in replaced:
            root.addHandler(entry)
        for name, value in before.items():
            logging.getLogger(name).setLevel(value)
        sys.excepthook, threading.excepthook = hooks

    return undo


class _Handler(logging.StreamHandler[TextIO]):
    """Writes records; one that cannot be written is replaced by a line that repeats nothing of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # reason: logging's own name
        """Say that a record was lost, without its text, which may be what made it fail."""
        if record.name != _DROPPED:
            lost = logging.LogRecord(
                _DROPPED, logging.ERROR, record.pathname, record.lineno, "A log record was lost.", (), None
            )
            setattr(lost, _GRACE, (Event.LOG_FAILED, {"source": record.name, "line": record.lineno}))
            self.handle(lost)


_DROPPED = f"{OURS}.telemetry.dropped"


def _log_crash(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    get_log(OURS).critical(
        Event.PROCESS_CRASHED, "An error nobody caught ended the process.", cause=error.with_traceback(traceback)
    )


def _log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    if crash.exc_value is not None:
        get_log(OURS).critical(Event.PROCESS_CRASHED, "An error nobody caught ended a thread.", cause=crash.exc_value)


def _formatter(layout: str, *, colors: bool) -> logging.Formatter:
    renderer: Processor
    if layout == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=colors, event_key="message", exception_formatter=structlog.dev.plain_traceback
        )
    processors: list[Processor] = [structlog.processors.format_exc_info, _compose]
    if layout == "console":
        processors.append(_disarm)
    return structlog.stdlib.ProcessorFormatter(processors=[*processors, renderer])


def _compose(_logger: WrappedLogger, _method: str, given: EventDict) -> EventDict:
    """Build the record that is written from the one logging made, everything redacted."""
    record: logging.LogRecord = given["_record"]
    extra: tuple[Event, dict[str, object]] = getattr(record, _GRACE, (Event.LIBRARY, {}))
    event, fields = extra
    written: EventDict = {
        "timestamp": rfc3339(int(record.created * _MICROSECONDS)),
        "level": record.levelname.lower(),
        "event": str(event),
        "message": process_redactor.text(str(given["event"])),
        "logger": record.name,
    }
    context: dict[str, Any] = {**structlog.contextvars.get_contextvars(), **fields}
    for name, value in process_redactor.fields(context).items():
        written[f"{name}_" if name in _RESERVED else name] = value
    if given.get("exception"):
        written["exception"] = process_redactor.text(str(given["exception"]))
    return written


def _disarm(_logger: WrappedLogger, _method: str, written: EventDict) -> EventDict:
    """Take out what a terminal would obey: a line is one line, and no text recolors or reverses another."""
    return {
        name: _CONTROL.sub("?", value if name == "exception" else value.replace("\n", " "))
        if isinstance(value, str)
        else value
        for name, value in written.items()
    }
