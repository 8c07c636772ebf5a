"""Health: is the process alive, is the portal ready, can it take a webhook; and the figures for Prometheus."""

import secrets
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from portal import clock
from portal.crypto import proof
from portal.models import Job
from portal.services import Services
from portal.web.context import services
from portal.web.health.metrics import exposition

bp = Blueprint("health", __name__)

# A proxy on this machine speaks for the world: by one of these it gives itself away.
_OF_PROXIES = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
# Work that has been due for longer than this is not "ready" any more.
OLDEST_DUE_SECONDS = 300.0


@bp.get("/livez")
def livez() -> Response:
    """200 while the process answers at all."""
    return jsonify(status="alive")


@bp.get("/livez/<string(length=32):question>")
def livez_proof(question: str) -> Response:
    """The same, with a word that only this portal can say: the settings check asks whether its address leads here."""
    return jsonify(status="alive", proof=proof(services().settings.secret_key, question))


@bp.get("/readyz")
def readyz() -> tuple[Response, int]:
    """200 when the database answers, the queue moves and the spool is empty; else 503 with what is wrong."""
    parts = services()
    report: dict[str, Any] = {"database": "ok", "spool_bytes": parts.spool.size(), "oldest_due_seconds": None}
    faults = []
    try:
        report["oldest_due_seconds"] = age = _oldest_due(parts)
        if age > OLDEST_DUE_SECONDS:
            faults.append("The oldest due work waits for too long: is a worker running?")
    except (SQLAlchemyError, TimeoutError):
        report["database"] = "away"
        faults.append("The database does not answer: webhooks go to the spool.")
    if parts.spool.in_use():
        faults.append("Webhooks are in the spool and wait to be replayed.")
    report["faults"] = faults
    return jsonify(status="not ready" if faults else "ready", **report), 503 if faults else 200


@bp.get("/readyz/webhooks")
def readyz_webhooks() -> tuple[Response, int]:
    """200 while the journal or the spool can take a request: what a balancer asks before it sends webhooks here."""
    parts = services()
    room = parts.settings.spool_max_bytes - parts.spool.own_size()
    if room > 0 and parts.spool.writable():
        return jsonify(status="ready", spool_room_bytes=room), 200
    if parts.database.answers() and not parts.spool.in_use():
        return jsonify(status="ready", spool_room_bytes=0), 200
    return jsonify(status="not ready", faults=["Neither the database nor the spool can take a webhook."]), 503


@bp.get("/metrics")
def metrics() -> Response:
    """Figures for Prometheus: for this machine, or with `METRICS_TOKEN` as a bearer token."""
    parts = services()
    token = parts.settings.metrics_token
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token:
        if not secrets.compare_digest(given.encode(), token.encode()):
            abort(401)
    elif request.remote_addr not in ("127.0.0.1", "::1") or any(name in request.headers for name in _OF_PROXIES):
        abort(404)
    return Response(exposition(parts), content_type="text/plain; version=0.0.4; charset=utf-8")


def _oldest_due(parts: Services) -> float:
    with parts.database.read() as session:
        oldest = session.scalar(select(func.min(Job.run_at)).where(Job.run_at <= clock.now(), Job.attempts == 0))
    return max((clock.now() - oldest).total_seconds(), 0.0) if oldest else 0.0
