"""What every call at a stand-in goes through: it is recorded, a fault may strike, and it leaves as the fault says."""

import time
from typing import Any

from flask import Flask, Response, g, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.faults import PREVENTING, Effect, Rule
from portal.sandbox.green_api.api import refusal_body
from portal.sandbox.observer import observe
from portal.sandbox.record import KEPT_HEADERS, Call
from portal.sandbox.sms.dialects import DIALECTS
from portal.sandbox.whatsapp_cloud import errors as cloud_errors
from portal.sandbox.wire import Ending, Wire

ENDINGS = {
    Effect.HALF_ANSWER: Ending.HALF,
    Effect.SILENCE: Ending.SILENCE,
    Effect.SILENCE_BEFORE: Ending.SILENCE,
    Effect.RESET_BEFORE: Ending.RESET,
    Effect.RESET_AFTER: Ending.RESET,
}

CAST_CODES = {
    402: "INSUFFICIENT_CREDITS",
    403: "API_KEY_REVOKED",
    429: "RATE_LIMIT_EXCEEDED",
    502: "PROVIDER_ERROR",
    503: "SERVICE_UNAVAILABLE",
}
GREEN_WORDS = {400: "bad request data", 401: "Unauthorized", 403: "Forbidden", 500: "Internal Server Error"}
GHL_WORDS = {401: "Invalid JWT", 403: "Forbidden resource", 429: "Too Many Requests", 500: "Internal Server Error"}


def install(app: Flask) -> None:
    """Puts the gateway before and after every view of the stand-ins. The page and the controls pass it by."""
    app.before_request(_arrive)
    app.after_request(_depart)


def _route() -> str:
    """`cast.send`, `green.sendMessage`, `cloud.messages`, `twilio.send` …; `unknown.call` for a path no stand-in has.

    "" for the page and the controls.
    """
    endpoint = request.endpoint or "unknown.call"
    system, _, name = endpoint.partition(".")
    if system.startswith("cast"):
        return f"cast.{name}"
    known = system in ("ghl", "green", "cloud", "cloud_files", "unknown") or system in DIALECTS
    return endpoint if known else ""


def _arrive() -> Response | None:
    route = _route()
    if not route:
        return None
    raw = request.get_data()
    environ = request.environ
    headers = {name: environ[wsgi] for wsgi, name in KEPT_HEADERS.items() if environ.get(wsgi)}
    arguments = {name: str(value) for name, value in (request.view_args or {}).items()}
    query = request.query_string.decode()
    g.call = sandbox().records.begin(route, request.method, request.path, query, headers, _body(), **arguments)
    g.started = time.perf_counter()
    g.rule = rule = sandbox().faults.take(route, f"{request.path}?{query}", raw)
    slow = rule.seconds if rule is not None and rule.effect is Effect.SLOW else 0.0
    g.pause = lambda: sandbox().pause(slow)
    if slow and not route.startswith("cast.send"):  # there, the key must be held meanwhile
        g.pause()
    return _refuse(rule, g.call) if rule is not None and rule.effect in PREVENTING else None


def _depart(response: Response) -> Response:
    call: Call | None = g.get("call")
    if call is None:
        return response
    rule: Rule | None = g.rule
    call.applied = response.status_code < 300 and not (rule is not None and rule.effect in PREVENTING)
    call.replayed = g.get("replayed", False)
    call.raw_answer = response.get_data() if response.mimetype == "application/json" else b""
    if rule is not None:
        call.fault = rule.label
        call.ending = _spoil(rule)
        if rule.effect is Effect.STATUS_AFTER:
            response = _refuse(rule, call)
    call.ms = (time.perf_counter() - g.started) * 1000
    call.status = response.status_code if call.ending == Ending.ANSWER else 0
    observe(sandbox(), call)
    return response


def _spoil(rule: Rule) -> Ending:
    """Tells the server how the answer leaves."""
    wire: Wire = request.environ.get("sandbox.wire") or Wire()
    wire.ending = ENDINGS.get(rule.effect, Ending.ANSWER)
    wire.seconds = rule.seconds
    return wire.ending


def _body() -> Any:
    if request.mimetype == "application/json":
        return request.get_json(silent=True)
    return request.form.to_dict() or None


def _refuse(rule: Rule, call: Call) -> Response:
    words = "The sandbox's fault panel made this happen"
    if call.system == "cast":
        response = jsonify(success=False, error=words, error_code=CAST_CODES.get(rule.status, "INTERNAL_ERROR"))
    elif call.system in DIALECTS:
        body, content_type = DIALECTS[call.system].refusal(rule.status)
        response = Response(body, content_type=content_type)
    elif call.system.startswith("cloud"):
        fault = cloud_errors.GraphError(cloud_errors.BY_STATUS.get(rule.status, 131000), words)
        response = jsonify(cloud_errors.answered(fault, "sandbox"))
    elif call.system == "green":
        response = jsonify(refusal_body(rule.status, GREEN_WORDS.get(rule.status, words)))
    else:
        response = jsonify(statusCode=rule.status, message=GHL_WORDS.get(rule.status, words))
    response.status_code = rule.status
    if rule.retry_after is not None:
        response.headers["Retry-After"] = str(rule.retry_after)
    return response
