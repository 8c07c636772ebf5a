"""Operations of the API: each is declared once, and from that it is routed, guarded, checked and documented.

A view that reads returns its answer. One that changes something returns what is to be done in a transaction: so the
answer to an `Idempotency-Key` is kept in the same transaction as the effect.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

import msgspec
from flask import Response, request
from sqlalchemy.orm import Session

from portal.accounts import idempotency
from portal.accounts.api_keys import Scope
from portal.accounts.idempotency import Answer
from portal.web.api import callers
from portal.web.api.blueprint import Forbidden, InvalidField, Unreadable, WrongMedia, bp
from portal.web.api.callers import Caller

Effect = Callable[[Session], Any]
View = Callable[..., Any]
JSON = "application/json"
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as it is documented. `answer` None: an empty 204. `live_only`: not for test keys."""

    name: str
    method: str
    rule: str
    tag: str
    summary: str
    description: str
    scopes: tuple[Scope, ...]
    status: int
    answer: Any
    query: Any
    body: Any
    live_only: bool

    @property
    def changes(self) -> bool:
        """Does it do something, so that it takes an Idempotency-Key?"""
        return self.method == "POST"


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who makes it, and its query and body in the shapes of its operation."""

    caller: Caller
    query: Any
    body: Any


OPERATIONS: list[Operation] = []


def operation(
    method: str,
    rule: str,
    tag: str,
    *scopes: Scope,
    answer: Any = None,
    status: int = 200,
    query: Any = None,
    body: Any = None,
    live_only: bool = False,
) -> Callable[[View], View]:
    """Makes a view an operation. Its docstring is what the documentation says; the first line is the summary."""

    def register(view: View) -> View:
        summary, _, more = cleandoc(view.__doc__ or "").partition("\n")
        made = Operation(
            view.__name__,
            method,
            rule,
            tag,
            summary.rstrip("."),
            more.strip(),
            scopes,
            status if answer is not None else 204,
            answer,
            query,
            body,
            live_only,
        )
        OPERATIONS.append(made)
        bp.add_url_rule(rule, made.name, lambda **path: _run(made, view, path), methods=[method])
        return view

    return register


def _run(made: Operation, view: View, path: dict[str, Any]) -> Response:
    caller = callers.identify()
    callers.may(caller.key, made.scopes)
    if made.live_only and caller.test:
        raise Forbidden("A test key changes nothing that is real: use a live key.")
    call = Call(caller, _query(made), _body(made))
    if made.method == "GET":
        return _response(Answer(made.status, msgspec.json.encode(view(call, **path))))
    key = request.headers.get("Idempotency-Key") if made.changes else None
    return _once(made, view, call, path, key) if key is not None else _at_once(made, view, call, path)


def _at_once(made: Operation, view: View, call: Call, path: dict[str, Any]) -> Response:
    effect: Effect = view(call, **path)
    return _response(call.caller.parts.database.patiently(lambda session: _done(made, effect, session)))


def _once(made: Operation, view: View, call: Call, path: dict[str, Any], given: str) -> Response:
    """The same under an Idempotency-Key: what was answered once is answered again, and done once."""
    key, key_id, database = idempotency.check(given), call.caller.key.id, call.caller.parts.database
    meaning = msgspec.json.encode([call.query, call.body], order="sorted")
    mark = idempotency.fingerprint(made.method.encode(), request.path.encode(), meaning)
    with database.read() as session:
        before = idempotency.earlier(session, key_id, key, mark)
    if before is not None:
        return _response(before, again=True)
    effect: Effect = view(call, **path)

    def claimed(session: Session) -> tuple[Answer, bool]:
        known = idempotency.claim(session, key_id, key, mark)
        if known is not None:
            return known, True
        answer = _done(made, effect, session)
        idempotency.keep(session, key_id, key, answer)
        return answer, False

    answer, again = database.patiently(claimed)
    return _response(answer, again=again)


def _done(made: Operation, effect: Effect, session: Session) -> Answer:
    said = effect(session)
    return Answer(made.status, b"" if made.answer is None else msgspec.json.encode(said))


def _response(answer: Answer, *, again: bool = False) -> Response:
    response = Response(answer.body, answer.status, mimetype=JSON)
    if answer.status == 204:
        del response.headers["Content-Type"]
    if again:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _query(made: Operation) -> Any:
    given = request.args.to_dict()
    if made.query is None:
        return None
    try:
        return msgspec.convert(given, made.query, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None


def _body(made: Operation) -> Any:
    if made.body is None:
        return None
    if request.mimetype != JSON:
        raise WrongMedia("Send a JSON body, as Content-Type: application/json.")
    try:
        return msgspec.json.decode(request.get_data(), type=made.body)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("The body is no JSON.") from None


def _invalid(error: msgspec.ValidationError) -> InvalidField:
    said = str(error)
    place = _PLACE.search(said)
    return InvalidField(place[1] if place else "", f"{said[: place.start()] if place else said}.")
