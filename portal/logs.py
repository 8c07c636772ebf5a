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

# No part of a pattern may run on for as long as it likes: strangers write some of what is looked through.
_NAME = r"(?:token|secret|passw|passphrase|api[_-]?key|authorization|cookie|signature|credential)[\w-]{0,30}"
_SECRET_NAME = re.compile(_NAME, re.I)
_SECRET_TEXT = (
    re.compile(r"(?i)\b(?:bearer|basic)\s{1,8}[\w.~+/=-]{8,}"),
    # In an address or a call, in JSON (also inside of another text) or Python, and as a header.
    re.compile(rf"(?i)(?:{_NAME}|\b(?:code|key|pwd|auth))=\s{{0,8}}[\"']?[^&\s\"']+"),
    re.compile(rf"(?i){_NAME}\\?[\"']\s{{0,8}}:\s{{0,8}}\\?[\"'][^\"'\\]+"),
    re.compile(rf"(?i){_NAME}:\s{{0,8}}[^\s\"',;]{{8,}}"),
    # Whoever has the address of a file has the file.
    re.compile(r"(?<=/media/)(?:view/)?[\w.-]{8,}"),
    # Whoever has the address may link a phone; what lets in once is as good for a minute.
    re.compile(r"(?<=/link/)[\w-]{8,}"),
    re.compile(r"(?<=[?&]once=)[\w.-]{8,}"),
    # A one-use link lets somebody in.
    re.compile(r"(?<=/invitation/)[\w-]{8,}"),
    re.compile(r"(?<=/new-password/)[\w-]{8,}"),
    re.compile(r"(?<=/webhooks/)[\w-]+/(?:[\w-]+/)*[\w-]{8,}"),
    re.compile(r"(?<=/waInstance)\d+/\w+/[\w-]+"),
    re.compile(r"\bcast_(?:test_)?[0-9a-f]{16,}\b"),
    re.compile(r"\beyJ[\w-]{8,500}\.[\w-]{8,}(?:\.[\w-]+)?"),
    re.compile(r"\bgAAAAA[\w=-]{20,}"),
    re.compile(r"\bEAA[0-9A-Za-z]{20,}"),
    re.compile(r"://[^/\s:@]*:[^/\s@]+@"),
)
# PostgreSQL writes the row that it refuses into its error, and a row may hold what somebody wrote.
_ROW = re.compile(r"DETAIL:.*?(?=\n\[SQL|\n\nThe above exception|\n\nDuring handling|\Z)", re.S)
# Nine digits or more that are no part of an id or of a decimal number: a phone's, of which the last two stay.
_NUMBER = re.compile(r"(?<![\w./-])(?:\+\d[\d ().-]{6,18}|\d{7,13})(?=\d\d(?![\w-]))")


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
    for pattern in (*_SECRET_TEXT, _ROW):
        text = pattern.sub("[redacted]", text)
    return text


def told(value: Any) -> Any:
    """A value as a log line may show it: no secrets in it however deep, phone numbers masked."""
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, Mapping):
        return {str(name): _named(str(name), each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [told(each) for each in value]
    return _NUMBER.sub("[…]", redact(str(value)))


def _named(name: str, value: Any) -> Any:
    return "[redacted]" if _SECRET_NAME.search(name) else told(value)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the context's ids and the call's `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": told(record.getMessage()),
            **told({**context(), **extra}),
        }
        if record.exc_info:
            line["exception"] = told(self.formatException(record.exc_info))
        line["thread"] = threading.current_thread().name
        return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def configure(level: str = "INFO") -> None:
    """Sends every logger of the process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("alembic", "urllib3", "werkzeug"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It warns of every task that is left out because the one before still runs, which is meant to be so.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
