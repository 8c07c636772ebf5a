"""Headers on every answer, cookies, the request's id in every log line, and how errors look from outside."""

import logging
import secrets
import time
from typing import Any

from flask import Flask, Response, g, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DataError
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.accounts.sessions import LIFETIME
from portal.config import Settings
from portal.database import is_away
from portal.errors import Overloaded, PortalError
from portal.logs import log_context
from portal.problems import PATHS, problem

log = logging.getLogger(__name__)

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
MACHINE_PATHS = ("/webhooks/", "/api/", "/livez", "/readyz", "/metrics")


def cookie_settings(settings: Settings) -> dict[str, Any]:
    """Flask's cookie configuration: out of reach for scripts, and over TLS only where the portal is."""
    secure = settings.app_url.startswith("https://")
    return {
        "SESSION_COOKIE_NAME": "__Host-session" if secure else "session",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "REMEMBER_COOKIE_SECURE": secure,
        "REMEMBER_COOKIE_HTTPONLY": True,
        "WTF_CSRF_TIME_LIMIT": 8 * 3600,
        "PERMANENT_SESSION_LIFETIME": LIFETIME,
    }


def init_app(app: Flask, settings: Settings) -> None:
    """Registers the hooks and error handlers."""
    secure = settings.app_url.startswith("https://")
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]

    @app.before_request
    def _begin() -> None:
        g.request_id = request.headers.get("X-Request-Id", "")[:64] or secrets.token_hex(8)
        g.started = time.monotonic()
        g.log_scope = log_context(request_id=g.request_id)
        g.log_scope.__enter__()

    @app.teardown_request
    def _end(_error: BaseException | None) -> None:
        scope = g.pop("log_scope", None)
        if scope is not None:
            scope.__exit__(None, None, None)

    @app.after_request
    def _headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", CSP)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers["X-Request-Id"] = g.get("request_id", "")
        if secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.errorhandler(PortalError)
    def _portal_error(error: PortalError) -> ResponseReturnValue:
        response = _answer(error.message, error.http_status)
        if isinstance(error, Overloaded):
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    @app.errorhandler(HTTPException)
    def _http_error(error: HTTPException) -> ResponseReturnValue:
        if error.response is not None or (error.code or 500) < 400:
            return error.get_response()
        response = _answer(_SENTENCES.get(error.code or 500, error.description or error.name), error.code or 500)
        for name, value in error.get_headers():
            if name.lower() == "allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def _fault(error: Exception) -> ResponseReturnValue:
        if is_away(error):
            log.warning("database away during a request", extra={"path": request.path, "method": request.method})
            return _answer(_SENTENCES[503], 503)
        if isinstance(error, DataError):
            # A NUL, a number or a text beyond what its column holds: the caller's doing, not a fault of ours.
            return _answer(_SENTENCES[400], 400)
        log.error("request failed", exc_info=error, extra={"path": request.path, "method": request.method})
        return _answer(_SENTENCES[500], 500)

    @app.get("/")
    def home() -> ResponseReturnValue:
        return redirect("/admin")


_SENTENCES = {
    400: "The request cannot be read as it stands.",
    401: "Sign in first.",
    403: "You may not do this.",
    404: "There is nothing here, or it is not yours to see.",
    405: "This address does not take this kind of request.",
    413: "The request is larger than this address takes.",
    429: "Too many requests: wait a little and try again.",
    503: "The database does not answer: try again in a minute.",
    500: "Something failed on our side. It is in the log under the request id; nothing that was accepted is lost.",
}


def _answer(sentence: str, status: int) -> Response:
    """A page for people, JSON for machines, a problem document for those of the API."""
    if request.path.startswith(PATHS):
        return problem(sentence, status)
    if request.path.startswith(MACHINE_PATHS) or request.accept_mimetypes.best == "application/json":
        response = jsonify(error=sentence, status=status, request_id=g.get("request_id", ""))
    else:
        response = Response(
            render_template("error.html", sentence=sentence, status=status, request_id=g.get("request_id", ""))
        )
    response.status_code = status
    return response
