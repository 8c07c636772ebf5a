"""Faults to Sentry, where `SENTRY_DSN` is set: what is logged as an error, without texts, secrets or phone numbers.

An event is made anew from the few fields named here. What Sentry's client collects besides (request, variables,
breadcrumbs, environment) never leaves the machine, whatever a later version of it adds.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

from portal import logs
from portal.config import Settings

KEPT = ("event_id", "timestamp", "platform", "level", "logger", "release", "environment", "sdk")
FRAME = ("filename", "function", "module", "lineno", "in_app")
# Fields of a log line that say where it happened, and hold no text of anybody's.
TAGS = ("request_id", "event_id", "message_id", "location_id", "sender_id", "job", "subject", "task", "sweep", "pool")

LONGEST = 300
_NUMBER = re.compile(r"\+?\d[\d ().-]{5,}\d")
_QUOTED = re.compile(r"(?P<quote>['\"`]).{24,}?(?P=quote)")
_IDENTIFIER = re.compile(r"\d{1,19}|[0-9a-f-]{16,36}|[a-z_]{1,40}")


def start(settings: Settings, release: str) -> None:
    """Starts Sentry's client in this process, after the fork: it has a thread of its own."""
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        release=f"sendero@{release}",
        before_send=scrubbed,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            DedupeIntegration(),
            AtexitIntegration(callback=lambda pending, timeout: None),
        ],
        auto_session_tracking=False,
        enable_backpressure_handling=False,
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        send_client_reports=False,
        shutdown_timeout=2,
    )


def scrubbed(event: Mapping[str, Any], hint: Mapping[str, Any]) -> dict[str, Any]:
    """The event with nothing in it but what may leave."""
    record = hint.get("log_record")
    fields = {**logs.context(), **(vars(record) if record is not None else {})}
    kept: dict[str, Any] = {name: event[name] for name in KEPT if name in event}
    kept["tags"] = {name: str(fields[name]) for name in TAGS if _IDENTIFIER.fullmatch(str(fields.get(name, "")))}
    if record is not None:
        kept["logentry"] = {"formatted": _plain(record.getMessage())}
    values = (event.get("exception") or {}).get("values") or []
    if values:
        kept["exception"] = {"values": [_exception(value) for value in values]}
    return kept


def _exception(value: Mapping[str, Any]) -> dict[str, Any]:
    frames = (value.get("stacktrace") or {}).get("frames") or []
    return {
        "type": value.get("type"),
        "module": value.get("module"),
        "value": _plain(str(value.get("value") or "")),
        "stacktrace": {"frames": [{name: frame[name] for name in FRAME if name in frame} for frame in frames]},
    }


def _plain(text: str) -> str:
    """The first line: what follows it in a database's error is the row. Then secrets, quotations and numbers."""
    first = logs.redact(text).split("\n", 1)[0]
    return _NUMBER.sub("[number]", _QUOTED.sub("[text]", first))[:LONGEST]
