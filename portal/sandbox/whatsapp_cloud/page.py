"""What can be done at a WhatsApp Cloud number on the page: taps, time, marketing, templates, the phone app."""

from collections.abc import Callable

from flask import Blueprint, Response, abort, request
from werkzeug.wrappers import Response as AnyResponse

from portal.sandbox.context import sandbox
from portal.sandbox.page import Chosen, answer_with, chosen_in, refused, typed_text, write_to_number
from portal.sandbox.whatsapp_cloud import fate, people, shown
from portal.sandbox.whatsapp_cloud.numbers import Number

blueprint = Blueprint("cloud_page", __name__, url_prefix="/cloud")
blueprint.register_error_handler(422, refused)


@blueprint.post("/tap")
def tap() -> AnyResponse:
    """The customer taps a button or a row of the message `about`."""
    number, chosen = _chosen()
    return write_to_number(number, chosen, "tap", request.form.get("about", ""))


@blueprint.post("/type")
def type_in_app() -> AnyResponse:
    """The owner writes to the customer in the phone app."""
    number, chosen = _chosen()
    people.type_in_app(sandbox(), number, chosen.contact.phone, typed_text())
    sandbox().pause(0.05)
    return answer_with("cloud", chosen)


@blueprint.post("/template/<template_id>")
def judge(template_id: str) -> AnyResponse:
    """Meta approves, rejects or pauses a template."""
    number, chosen = _chosen()
    account, event = sandbox().cloud.accounts[number.account_id], request.form.get("event", "")
    template = next((one for one in account.templates if one.id == template_id), None)
    if template is None or event not in shown.CHANGES:
        abort(404)
    sandbox().cloud.judge(account, template, event)
    sandbox().pause(0.05)
    return answer_with("cloud", chosen)


@blueprint.post("/person/<action>")
def person(action: str) -> AnyResponse:
    """The customer reads (`read`), a day passes (`wait`), marketing is refused (`stop`) or not (`resume`), `hide`."""
    number, chosen = _chosen()
    if action not in ACTIONS:
        abort(404)
    ACTIONS[action](number, chosen.contact.phone)
    sandbox().pause(0.05)
    return answer_with("cloud", chosen)


@blueprint.get("/picture/<media_id>")
def picture(media_id: str) -> Response:
    """A file as the customer's phone has it, without any token."""
    found = sandbox().cloud.files.get(media_id)
    if found is None:
        abort(404)
    return Response(found.content, mimetype=found.mime)


def _wait(number: Number, phone: str) -> None:
    sandbox().cloud.close_window(number.person(phone))


def _read(number: Number, phone: str) -> None:
    fate.read(sandbox().cloud, number, number.person(phone))


def _stop(number: Number, phone: str) -> None:
    people.prefer(sandbox(), number, phone, "stop")


def _resume(number: Number, phone: str) -> None:
    people.prefer(sandbox(), number, phone, "resume")


def _hide(number: Number, phone: str) -> None:
    people.hide(number, phone, "")


ACTIONS: dict[str, Callable[[Number, str], None]] = {
    "read": _read,
    "wait": _wait,
    "stop": _stop,
    "resume": _resume,
    "hide": _hide,
}


def _chosen() -> tuple[Number, Chosen]:
    chosen = chosen_in(request.form)
    try:
        return shown.number_for(sandbox(), chosen.location.id), chosen
    except ValueError as error:
        abort(422, str(error))
