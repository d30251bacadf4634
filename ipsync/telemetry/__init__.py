"""What the daemon tells about itself: one log, one set of metrics, and never a secret or a member's words.

The only room for structlog and prometheus-client. Nothing here reads a clock, a setting or the
catalog: values are handed in. A log record carries a sentence for people (`message`) and a fixed
name for machines (`event`, from `Event`).
"""

from ipsync.telemetry.events import Event
from ipsync.telemetry.log import Log, configure_logging, get_log, log_context, observe_events
from ipsync.telemetry.metrics import Metrics
from ipsync.telemetry.redaction import redact, register_secret

__all__ = [
    "Event",
    "Log",
    "Metrics",
    "configure_logging",
    "get_log",
    "log_context",
    "observe_events",
    "redact",
    "register_secret",
]
