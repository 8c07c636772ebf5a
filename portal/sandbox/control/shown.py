"""What the controls share: the blueprint, the request's body, and how things look as JSON."""

import dataclasses
from typing import Any

from flask import Blueprint, Response, jsonify, request

from portal.sandbox.deliveries import Delivery
from portal.sandbox.ghl.mailbox import Message
from portal.sandbox.record import Call

blueprint = Blueprint("control", __name__)


@blueprint.errorhandler(ValueError)
@blueprint.errorhandler(TypeError)
@blueprint.errorhandler(KeyError)
def misused(error: Exception) -> Response:
    """400 with what was wrong, for a body that does not fit."""
    response = jsonify(error=f"{type(error).__name__}: {error}")
    response.status_code = 400
    return response


def body() -> dict[str, Any]:
    """The request's JSON object."""
    given = request.get_json(silent=True)
    if not isinstance(given, dict):
        raise ValueError("send a JSON object")
    return given


def plain(value: Any) -> dict[str, Any]:
    """A dataclass as JSON takes it."""
    return dataclasses.asdict(value)


def described(one: Message) -> dict[str, Any]:
    """A message with its present status."""
    return plain(one) | {"status": one.status, "error": one.error}


def called(call: Call) -> dict[str, Any]:
    """A call as JSON takes it."""
    shown = plain(call) | {"answer": call.answer}
    del shown["raw_answer"]
    return shown


def delivered(one: Delivery) -> dict[str, Any]:
    """A delivery as JSON takes it."""
    answers = [plain(answer) for answer in one.answers]
    return {"message": described(one.message), "payload": one.payload, "taken": one.taken, "answers": answers}
