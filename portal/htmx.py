"""htmx in one place: when a request wants a fragment, and how it is answered. Nothing else imports the libraries."""

import hashlib
from typing import Any
from urllib.parse import urlsplit

from flask import Response, make_response, render_template, request
from htmx_flask.requests import HtmxHeaders
from jinja2_fragments.flask import render_block


def asked() -> bool:
    """Did htmx make this request?"""
    return bool(HtmxHeaders(request.headers))


def wants_fragment() -> bool:
    """A boosted request and a restored history entry replace the whole page, so they get the whole page."""
    heard = HtmxHeaders(request.headers)
    return bool(heard) and not heard.boosted and not heard.history_restore_request


def page_path() -> str:
    """Path and query of the page on which htmx made the request; "" when it does not say."""
    parts = urlsplit(HtmxHeaders(request.headers).current_url or "")
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def render(template: str, block: str, status: int = 200, **context: Any) -> Response:
    """The page, or only its block for htmx.

    The block is rendered alone: what a top-level `{% set %}` or `{% from … import %}` of the template names is not
    there, and an `{% if %}` around the block is not asked.
    """
    text = render_block(template, block, **context) if wants_fragment() else render_template(template, **context)
    return _vary(make_response(text, status))


def render_live(template: str, block: str, **context: Any) -> Response:
    """A block that the page polls: 204 when it is what the browser has, which sends the tag of the last answer."""
    text = render_block(template, block, **context)
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    response = make_response("", 204) if request.headers.get("If-None-Match") == tag else make_response(text)
    response.headers["ETag"] = tag
    return _vary(response)


def leave_for(path: str, status: int) -> Response:
    """Has htmx load another page, with a status that swaps nothing into this one."""
    response = make_response("", status)
    response.headers["HX-Redirect"] = path
    return _vary(response)


def _vary(response: Response) -> Response:
    response.vary.update(("HX-Request", "HX-Boosted", "HX-History-Restore-Request"))
    return response
