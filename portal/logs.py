"""JSON logs, one object a line, with the ids of the request, location and message at hand and no secrets."""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

_context: ContextVar[dict[str, Any] | None] = ContextVar("log_context", default=None)

# What LogRecord carries by itself; everything else on a record came through `extra` and is written out.
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

_SECRET_NAME = re.compile(r"token|secret|password|api_key|apikey|authorization|cookie|signature|credential", re.I)
_SECRET_TEXT = (
    re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"),
    re.compile(r"(?i)\b((?:access_|refresh_)?token|api_?key|secret|password|code|key)=[^&\s\"']+"),
    re.compile(r"(?i)\"[\w-]*(?:token|api_?key|secret|password)\"\s*:\s*\"[^\"]+\""),
    re.compile(r"(?<=/webhooks/sms/)[\w-]+/[\w-]{8,}"),
    re.compile(r"\bcast_(?:test_)?[0-9a-f]{16,}\b"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]+)?"),
    re.compile(r"\bgAAAAA[\w=-]{20,}"),
    re.compile(r"://[^/\s:@]+:[^/\s@]+@"),
    # PostgreSQL shows the row it refuses, message and all.
    re.compile(r"(?s)^DETAIL:.*?(?=\n\[SQL: |\n\n(?:The above|During)|\nCONTEXT:|\Z)", re.M),
)


@contextmanager
def log_context(**fields: Any) -> Iterator[None]:
    """Adds the fields to every log line written inside the block."""
    token = _context.set({**(_context.get() or {}), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def context() -> Mapping[str, Any]:
    """The fields of the blocks that this thread is in."""
    return _context.get() or {}


def redact(text: str) -> str:
    """The text without anything that looks like a secret."""
    for pattern in _SECRET_TEXT:
        text = pattern.sub("[redacted]", text)
    return text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the context's ids and the call's `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            **context(),
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                hidden = _SECRET_NAME.search(name) is not None
                line[name] = "[redacted]" if hidden else redact(value) if isinstance(value, str) else value
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        line["thread"] = threading.current_thread().name
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(level: str = "INFO") -> None:
    """Sends every logger of the process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("alembic", "apscheduler", "urllib3", "werkzeug"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
