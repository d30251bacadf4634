"""From a file and an environment to `Settings`, or to everything that is wrong with them at once."""

import stat
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ipsync.settings.checking import findings
from ipsync.settings.effective import TESTING_CAPS, Settings
from ipsync.settings.problems import Problem, SettingsInvalid, Severity, Unfit, shown
from ipsync.settings.secrets import EXTRA_SECRET_NAMES, SECRET_NAMES, Secrets, find_secrets, ways
from ipsync.settings.section import Section
from ipsync.settings.sections import SECTIONS, TESTING
from ipsync.settings.units import likely

SYSTEM_FILE = Path("/etc/ipsync/ipsync.toml")
FILE_VARIABLE = "IPSYNC_CONFIG"
LARGEST_FILE_BYTES = 1024 * 1024
REQUIRED_SECTIONS = ("operator", "key")
_NOT_READ = "could not be read"


@dataclass
class _Reading:
    """What was made of a configuration so far."""

    file: Path
    problems: list[Problem] = field(default_factory=list)
    sections: dict[str, Any] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    secrets: Secrets | None = None

    def refuse(self, key: str, reason: str, remedy: str) -> None:
        """Note an error."""
        self.problems.append(Problem(str(self.file), key, reason, remedy))


def locate(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Say which configuration file is meant: `path`, `$IPSYNC_CONFIG`, `/etc/ipsync/ipsync.toml`; absolute."""
    named = environ.get(FILE_VARIABLE)
    return (path or (Path(named) if named else SYSTEM_FILE)).absolute()


def load(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    overrides: Mapping[str, object] | None = None,
    needs: Collection[str] = SECRET_NAMES,
) -> Settings:
    """Read and check the configuration.

    Args:
        path: the file, or None for `$IPSYNC_CONFIG` and then `/etc/ipsync/ipsync.toml`.
        environ: the environment, for that name and for secrets.
        overrides: values that replace the file's, by dotted key, e.g. `{"api.url": …}`, or whole sections,
            as TOML would give them.
        needs: the secrets without which the work at hand cannot be done; others may be missing.

    Raises:
        SettingsInvalid: it cannot be used; it holds every problem at once.
    """
    reading = _read(locate(path, environ), environ, overrides or {}, needs)
    if any(problem.is_error for problem in reading.problems) or reading.secrets is None:
        raise SettingsInvalid(reading.problems)
    return Settings(
        file=reading.file,
        **reading.sections,
        secrets=reading.secrets,
        given=frozenset(reading.given),
        warnings=tuple(reading.problems),
    )


def check(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    overrides: Mapping[str, object] | None = None,
    needs: Collection[str] = SECRET_NAMES,
) -> list[Problem]:
    """Say everything that is wrong or odd, errors first; the arguments are those of `load`."""
    problems = _read(locate(path, environ), environ, overrides or {}, needs).problems
    return sorted(problems, key=lambda problem: not problem.is_error)


def _read(file: Path, environ: Mapping[str, str], overrides: Mapping[str, object], needs: Collection[str]) -> _Reading:
    reading = _Reading(file)
    tables = _tables(reading)
    if tables is None:
        return reading
    for dotted, value in overrides.items():
        section, _, key = dotted.partition(".")
        table = tables.setdefault(section, {})
        if not key:
            tables[section] = value
        elif isinstance(table, dict):
            table[key] = value
    _refuse_unknown_sections(reading, tables)
    reading.given = {f"{name}.{key}" for name, table in tables.items() if isinstance(table, dict) for key in table}
    _apply_testing_caps(tables)
    for name, kind in SECTIONS.items():
        if name == "agreements":
            _read_agreements(reading, tables.get(name, []), kind)
        else:
            _read_section(reading, name, kind, tables.get(name))
    secret_files = reading.sections.get("secret_files")
    files = {} if secret_files is None else {key[: -len("_file")]: path for key, path in secret_files if path}
    notify = reading.sections.get("notify")
    if notify is not None and set(needs) >= set(SECRET_NAMES):
        needs = (*needs, *notify.secrets_needed)
    reading.secrets, problems = find_secrets(files, environ, str(file), needs)
    reading.problems += problems
    reading.problems += findings(reading.sections, file, reading.given)
    return reading


def _tables(reading: _Reading) -> dict[str, Any] | None:
    """Read the file as TOML; None and a problem where that fails."""
    file = reading.file
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE_BYTES:
            reading.refuse("", "is not a configuration file", "name a TOML file with --config")
            return None
        content = file.read_bytes()
    except FileNotFoundError:
        remedy = f"run `ipsync init`, or name the file with --config or ${FILE_VARIABLE}"
        reading.refuse("", "there is no such file", remedy)
        return None
    except OSError as error:
        reading.refuse("", f"{_NOT_READ}: {error.strerror}", "let the user that runs ipsync read it")
        return None
    if status.st_mode & stat.S_IWOTH:
        reason = f"may be changed by anybody (mode {stat.S_IMODE(status.st_mode):04o})"
        reading.problems.append(Problem(str(file), "", reason, f"chmod o-w {file}", Severity.WARNING))
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError:
        reading.refuse("", "is not UTF-8 text", "save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        reading.refuse("", f"is not TOML: {error}", "mend the line; texts stand in quotes, lists in [ ]")
    except (RecursionError, ValueError):
        reading.refuse("", "is not TOML that can be read", "write it like the example configuration")
    return None


def _refuse_unknown_sections(reading: _Reading, tables: dict[str, Any]) -> None:
    for name in tables.keys() - SECTIONS.keys():
        home = _home_of(name)
        remedy = f"write it below [{home}]" if home else f"leave it out{likely(name, SECTIONS)}"
        reading.refuse(_shown_key(name), "is unknown", remedy)


def _apply_testing_caps(tables: dict[str, Any]) -> None:
    """Let the defaults of the budget fit a key that awaits validation (T04); explicit caps are checked instead."""
    key, budget = tables.get("key"), tables.setdefault("budget", {})
    if isinstance(key, dict) and key.get("status") == TESTING and isinstance(budget, dict):
        for name, cap in TESTING_CAPS.items():
            budget.setdefault(name, cap)


def _read_section(reading: _Reading, name: str, kind: type[Section], table: object) -> None:
    if table is None and name in REQUIRED_SECTIONS:
        required = [key for key, info in kind.model_fields.items() if info.is_required()]
        reading.refuse(name, "is missing", f"write [{name}] with {', '.join(required)}; see the example configuration")
        return
    if table is None:
        table = {}
    if not isinstance(table, dict):
        reading.refuse(name, "is not a table", f"write [{name}] on a line of its own, and the settings below it")
        return
    section = _validated(reading, name, kind, table)
    if section is not None:
        reading.sections["secret_files" if name == "secrets" else name] = section


def _read_agreements(reading: _Reading, tables: object, kind: type[Section]) -> None:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        reading.refuse("agreements", "is not a list of tables", "write [[agreements]], with two brackets, for each")
        return
    entries = [_validated(reading, f"agreements[{index}]", kind, table) for index, table in enumerate(tables)]
    if None not in entries:
        reading.sections["agreements"] = tuple(entries)


def _validated(reading: _Reading, name: str, kind: type[Section], table: dict[str, Any]) -> Section | None:
    try:
        return kind.model_validate(table, context={"base": reading.file.parent})
    except ValidationError as error:
        reading.problems += _problems_of(error, str(reading.file), name, kind)
        return None


def _problems_of(error: ValidationError, file: str, name: str, kind: type[Section]) -> Iterator[Problem]:
    """Say in our own words what pydantic found; no value is repeated but by our own readers."""
    for detail in error.errors(include_url=False, include_input=False):
        key = str(detail["loc"][0]) if detail["loc"] else ""
        dotted = f"{name}.{_shown_key(key)}"
        cause = detail.get("ctx", {}).get("error")
        if detail["type"] == "default_factory_not_called":
            continue  # the value it follows from is refused already
        if detail["type"] == "missing":
            about = kind.model_fields[key].description
            yield Problem(file, dotted, "is missing", f"write {key} = … below [{name.partition('[')[0]}]: {about}")
        elif detail["type"] == "extra_forbidden":
            yield Problem(file, dotted, *_unknown_key(name, key, kind))
        elif isinstance(cause, Unfit):
            yield Problem(file, dotted, cause.reason, cause.remedy)
        else:
            yield Problem(file, dotted, detail["msg"], "see the example configuration")


def _unknown_key(name: str, key: str, kind: type[Section]) -> tuple[str, str]:
    if name == "secrets" and key in (*SECRET_NAMES, *EXTRA_SECRET_NAMES):
        return "a secret never stands in the configuration file itself", f"take it out and {ways(key)}"
    home = _home_of(key)
    near = likely(key, kind.model_fields)
    if home and not near:
        return "is unknown here", f"write it below [{home}]"
    return "is unknown", f"leave it out{near or '; there are ' + ', '.join(kind.model_fields)}"


def _home_of(key: str) -> str:
    """The one section that has a setting of this name, or ""."""
    homes = [name for name, kind in SECTIONS.items() if key in kind.model_fields]
    return homes[0] if len(homes) == 1 else ""


def _shown_key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() else shown(key)
