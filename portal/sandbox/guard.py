"""Keeps strangers' web pages from using the sandbox of a person who has it open."""

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

from portal.sandbox.context import sandbox
from portal.sandbox.outgoing import LOOPBACK

# Consent sends the browser back to the portal, and a form's redirect needs leave too.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' {portal} data:; connect-src 'self'; "
    "form-action 'self' {portal}; frame-src {portal}; base-uri 'none'; frame-ancestors 'none'"
)


def install(app: Flask) -> None:
    """Puts the guard before every view and the headers on every page."""
    app.before_request(_turn_away)
    app.after_request(_headers)


def _turn_away() -> None:
    """403 for a name that is not loopback (DNS rebinding) and for another site's forms and scripts."""
    host = urlsplit(f"//{request.host}").hostname
    origin = request.headers.get("Origin")
    foreign = request.headers.get("Sec-Fetch-Site") == "cross-site" and request.method != "GET"
    if host not in LOOPBACK or foreign:
        abort(403, "The sandbox serves this machine only.")
    if origin is not None and urlsplit(origin).netloc != request.host:
        abort(403, "The sandbox takes requests from its own pages only.")


def _headers(response: Response) -> Response:
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = POLICY.format(portal=sandbox().portal_url)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Vary"] = "HX-Request"
        response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
