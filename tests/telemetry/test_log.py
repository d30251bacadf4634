"""Each record speaks to people and to machines, whoever wrote it."""

import logging
import re
import sys
import threading
import warnings
from pathlib import Path

import pytest

import ipsync
from ipsync.telemetry import Event, configure_logging, get_log, log_context

log = get_log("ipsync.tests")


def missing():
    raise LookupError("the row is not there")


def test_a_record_has_a_sentence_a_fixed_name_an_instant_and_a_level(logging_to):
    written = logging_to()
    log.info(Event.SYNC_PAGE_READ, "Page 3 of 4 was read.", account_id=7, page=3, share=0.5, whole=True)
    (record,) = written.records
    assert record["message"] == "Page 3 of 4 was read."
    assert record["event"] == "sync.page-read"
    assert record["level"] == "info"
    assert record["logger"] == "ipsync.tests"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(record["timestamp"]))
    assert (record["account_id"], record["page"], record["share"], record["whole"]) == (7, 3, 0.5, True)


def test_the_instant_is_the_one_logging_took(logging_to):
    written = logging_to()
    record = logging.LogRecord("ipsync.x", logging.INFO, __file__, 1, "then", (), None)
    record.created = 1_700_000_000.25
    logging.getLogger().handle(record)
    assert written.records[0]["timestamp"] == "2023-11-14T22:13:20.250Z"


@pytest.mark.parametrize("name", ["aiohttp.server", "apscheduler.scheduler", "alembic.runtime", "sqlalchemy.pool"])
def test_libraries_write_through_the_same_log(logging_to, name):
    written = logging_to()
    logging.getLogger(name).warning("something %s", "odd")
    assert written.records[0] | {"timestamp": ""} == {
        "timestamp": "",
        "level": "warning",
        "event": "library.message",
        "message": "something odd",
        "logger": name,
    }


def test_libraries_that_repeat_values_are_kept_quiet_at_every_level(logging_to):
    written = logging_to(level="debug")
    logging.getLogger("sqlalchemy.engine.Engine").info("[parameters: ('A private title',)]")
    logging.getLogger("aiosqlite").debug("executing INSERT ('A private title')")
    logging.getLogger("aiohttp.access").info("203.0.113.9 GET /media/5/240")
    logging.getLogger("asyncio").debug("Using selector")
    assert written.text == ""


def test_levels_hold_back_what_is_below(logging_to):
    written = logging_to(level="warning")
    log.debug(Event.JOB_STARTED, "no")
    log.info(Event.JOB_STARTED, "no")
    log.warning(Event.JOB_FAILED, "yes")
    log.error(Event.JOB_FAILED, "yes")
    log.critical(Event.DAEMON_FAILED, "yes")
    assert [record["level"] for record in written.records] == ["warning", "error", "critical"]


def test_context_travels_with_every_record_inside(logging_to):
    written = logging_to()
    with log_context(job="sync"):
        log.info(Event.JOB_STARTED, "Started.")
        logging.getLogger("aiohttp.client").warning("slow")
    log.info(Event.JOB_DONE, "Done.")
    assert [record.get("job") for record in written.records] == ["sync", "sync", None]


def test_a_field_cannot_pose_as_a_part_of_the_record(logging_to):
    written = logging_to()
    log.info(Event.JOB_DONE, "Done.", level_="x", timestamp="never", logger="me")
    (record,) = written.records
    assert record["logger"] == "ipsync.tests"
    assert record["timestamp_"] == "never"
    assert record["timestamp"] != "never"


def test_a_cause_brings_its_traceback(logging_to):
    written = logging_to()
    try:
        missing()
    except LookupError as error:
        log.exception(Event.JOB_FAILED, "It failed.")
        log.critical(Event.JOB_FAILED, "It failed.", cause=error)
    assert "test_a_cause_brings_its_traceback" in str(written.records[0]["exception"])
    assert "LookupError: the row is not there" in str(written.records[0]["exception"])
    assert written.records[1]["exception"] == written.records[0]["exception"]


def test_values_of_any_kind_become_plain_data(logging_to):
    written = logging_to()
    log.info(Event.JOB_DONE, "Done.", ids=(1, 2), states={"live": 3}, raw=b"\x00", nothing=None, deep=[[[[[[[[1]]]]]]]])
    record = written.records[0]
    assert record["ids"] == [1, 2]
    assert record["states"] == {"live": 3}
    assert record["raw"] == "b'\\x00'"
    assert record["nothing"] is None


def test_console_lines_are_for_people(logging_to):
    written = logging_to(layout="console")
    log.warning(Event.BUDGET_STOPPED, "The quota is reached.", blocked_seconds=60)
    assert "The quota is reached." in written.text
    assert "budget.stopped" in written.text
    assert "blocked_seconds=60" in written.text
    assert written.text.count("\n") == 1


def test_F35_no_text_forges_a_line_or_commands_a_terminal(logging_to):
    written = logging_to(layout="console")
    log.info(Event.JOB_DONE, "Done\n2026-01-01 forged\x1b[31m \u202ereversed", word="a\nb\x1b]0;title\x07")
    assert written.text.count("\n") == 1
    assert "\x1b" not in written.text
    assert "\u202e" not in written.text


def test_a_record_that_cannot_be_written_leaves_a_trace_without_its_text(logging_to):
    written = logging_to()
    lost = logging.LogRecord("apscheduler", logging.ERROR, __file__, 1, "%d members", ("secret words",), None)
    logging.getLogger().handlers[-1].handle(lost)
    (record,) = written.records
    assert record["event"] == "log.failed"
    assert record["source"] == "apscheduler"
    assert "secret words" not in written.text


def test_errors_nobody_caught_are_logged_and_not_printed_raw(logging_to, capsys):
    written = logging_to(secrets=("hunter2hunter2",))
    error = RuntimeError("with hunter2hunter2 inside")
    sys.excepthook(RuntimeError, error, None)
    thread = threading.Thread(target=lambda: 1 // 0)
    thread.start()
    thread.join()
    assert [record["event"] for record in written.records] == ["process.crashed"] * 2
    assert "hunter2" not in written.text + capsys.readouterr().err


def test_undoing_puts_everything_back():
    hook, level, handlers = sys.excepthook, logging.getLogger().level, list(logging.getLogger().handlers)
    configure_logging("info", "json", ())()
    assert (sys.excepthook, logging.getLogger().level, logging.getLogger().handlers) == (hook, level, handlers)


def test_configuring_again_replaces_and_does_not_double(logging_to):
    first = logging_to()
    second = logging_to()
    log.info(Event.JOB_DONE, "Once.")
    assert first.text == ""
    assert len(second.records) == 1


@pytest.mark.parametrize(("level", "layout"), [("loud", "json"), ("info", "xml")])
def test_unknown_words_are_refused(level, layout):
    with pytest.raises(ValueError, match="unknown"):
        configure_logging(level, layout, ())


def test_event_names_are_distinct_dotted_and_explained():
    names = [str(event) for event in Event]
    assert len(set(names)) == len(names) == len(Event.__members__)
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+(-[a-z]+)*", name) for name in names)
    assert all(event.meaning and event.meaning[0].islower() for event in Event)


def test_importing_warns_of_nothing():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        configure_logging("info", "console", ())()
    assert seen == []


def test_every_event_the_program_names_is_on_the_list():
    used = set()
    for path in Path(ipsync.__file__).parent.rglob("*.py"):
        used.update(re.findall(r"\bEvent\.([A-Z_]+)\b", path.read_text()))
    assert used <= set(Event.__members__)
