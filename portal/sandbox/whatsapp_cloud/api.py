"""Graph's routes, `/v<digits>.<digits>/{node}/…`: a view for each, so that faults can choose."""

import re
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.whatsapp_cloud import nodes
from portal.sandbox.whatsapp_cloud.errors import GraphError, answered
from portal.sandbox.whatsapp_cloud.numbers import Account, Body, Number
from portal.sandbox.whatsapp_cloud.subscribing import SubscriptionRefused, subscribe

blueprint = Blueprint("cloud", __name__, url_prefix="/v<version>")
files = Blueprint("cloud_files", __name__)

VERSION = re.compile(r"[0-9]{1,2}\.[0-9]")


@blueprint.errorhandler(GraphError)
def refused(error: GraphError) -> Response:
    """The error as Graph answers it."""
    response = jsonify(answered(error, sandbox().ids.new("trace")))
    response.status_code = error.status
    if error.code == 190:
        response.headers["WWW-Authenticate"] = 'OAuth "Facebook Platform" "invalid_token" "Invalid OAuth access token."'
    return response


@blueprint.url_value_preprocessor
def take_version(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """No view needs the version: every one is answered alike."""
    g.version = str((values or {}).pop("version", ""))


@blueprint.before_request
def know_the_caller() -> None:
    """Refuses an unknown version, and a token that is missing, wrong or expired."""
    if not VERSION.fullmatch(g.version):
        raise GraphError(2500, message=f"Unknown path components: {request.path}")
    g.account = caller()


def caller() -> Account:
    """The account whose token came with the request. Raises `GraphError`."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token = given if scheme.lower() in ("bearer", "oauth") else request.args.get("access_token", "")
    if not token:
        words = "An active access token must be used to query information about the current user."
        raise GraphError(2500, message=words)
    found = next((one for one in sandbox().cloud.accounts.values() if one.token == token), None)
    if found is None:
        raise GraphError(190, message="Invalid OAuth access token - Cannot parse access token")
    if found.expired:
        raise GraphError(190, subcode=463, message="Error validating access token: Session has expired")
    return found


def _number(node: str) -> Number:
    found = sandbox().cloud.numbers.get(node)
    if found is None or found.account_id != g.account.id:
        raise nodes.missing(node)
    return found


def _account(node: str) -> Account:
    account: Account = g.account
    if account.id != node:
        raise nodes.missing(node)
    return account


@blueprint.post("/<node>/messages")
def messages(node: str) -> Response:
    """A message, or the mark that one was read."""
    number, given = _number(node), request.get_json(silent=True)
    body: Body = given if isinstance(given, dict) else {}
    if body.get("status") == "read":
        typing = isinstance(body.get("typing_indicator"), dict)
        sandbox().cloud.mark_read(number, str(body.get("message_id") or ""), typing=typing)
        return jsonify(success=True)
    one, asked = sandbox().cloud.take(number, body)
    phone = {"wa_id": one.person.phone or asked} if one.person.phone or one.person.is_group else {}
    known = {} if one.person.is_group else {"user_id": one.person.user_id}
    told: Body = {"id": one.id}
    if one.kind == "template":
        told["message_status"] = "accepted"
    who = {"input": body.get("to") or asked, **phone, **known}
    return jsonify(messaging_product="whatsapp", contacts=[who], messages=[told])


@blueprint.post("/<node>/media")
def upload(node: str) -> Response:
    """A file, `multipart/form-data` with `messaging_product`, `type` and `file`."""
    number, file = _number(node), request.files.get("file")
    if request.form.get("messaging_product") != "whatsapp":
        raise GraphError(100, message="(#100) The parameter messaging_product is required.")
    if file is None:
        raise GraphError(100, message="(#100) The parameter file is required.")
    mime = file.mimetype or request.form.get("type", "")
    kept = sandbox().cloud.files.upload(number.account_id, file.read(), mime, file.filename or "")
    return jsonify(id=kept.id)


@blueprint.get("/app")
def app() -> Response:
    """The app that the token was made for."""
    own: Body = {"id": g.account.app_id, "name": "Sendero", "link": "https://www.facebook.com/games/?app_id=1"}
    return jsonify(nodes.chosen(own, "Application", ("link", "name", "id")))


@blueprint.get("/debug_token")
def debug_token() -> Response:
    """What a token may do, and for which accounts it was given that."""
    account = next(
        (one for one in sandbox().cloud.accounts.values() if one.token == request.args.get("input_token")), None
    )
    if account is None:
        return jsonify(
            data={"is_valid": False, "scopes": [], "error": {"code": 190, "message": "Malformed access token"}}
        )
    scopes = ("whatsapp_business_management", "whatsapp_business_messaging")
    granted = [{"scope": scope, "target_ids": [account.id]} for scope in scopes]
    known = {"app_id": account.app_id, "type": "SYSTEM_USER", "is_valid": True, "expires_at": 0}
    return jsonify(data={**known, "scopes": list(scopes), "granular_scopes": granted})


@blueprint.get("/<node>")
def look(node: str) -> Response:
    """A number, an account, a template or a file, with the `fields` that are asked for."""
    here, account = sandbox(), g.account
    media = here.cloud.files.get(node)
    if media is not None and media.account_id == account.id:
        return jsonify(here.cloud.files.described(here.url, media))
    if node == account.id:
        return jsonify(nodes.chosen(nodes.account_fields(account), "WhatsAppBusinessAccount", ("id", "name")))
    template = next((one for one in account.templates if one.id == node), None)
    if template is not None:
        return jsonify(nodes.chosen(template.listed(), "MessageTemplate", nodes.TEMPLATE_FIELDS))
    return jsonify(nodes.chosen(nodes.number_fields(_number(node)), nodes.NUMBER_TYPE, nodes.NUMBER_FIELDS))


@blueprint.post("/<node>")
def change(node: str) -> Response:
    """A number's own callback: `webhook_configuration {override_callback_uri, verify_token}`; "" lifts it."""
    number, asked = _number(node), _given().get("webhook_configuration")
    if not isinstance(asked, dict):
        raise GraphError(100, message="(#100) Nothing was asked for that can be changed here.")
    number.override = _verified(str(asked.get("override_callback_uri") or ""), str(asked.get("verify_token") or ""))
    return jsonify(success=True)


@blueprint.delete("/<node>")
def forget(node: str) -> Response:
    """A file is deleted."""
    found = sandbox().cloud.files.get(node)
    if found is None or found.account_id != g.account.id:
        raise nodes.missing(node)
    del sandbox().cloud.files.known[node]
    return jsonify(success=True)


@blueprint.get("/<node>/phone_numbers")
def phone_numbers(node: str) -> Response:
    """The account's numbers."""
    account = _account(node)
    found = [one for one in sandbox().cloud.numbers.values() if one.account_id == account.id]
    listed = [nodes.chosen(nodes.number_fields(one), nodes.NUMBER_TYPE, nodes.NUMBER_FIELDS) for one in found]
    return jsonify(nodes.page(listed))


@blueprint.route("/<node>/subscribed_apps", methods=["GET", "POST", "DELETE"])
def subscribed_apps(node: str) -> Response:
    """Whether the app gets the account's webhooks. POST may name another callback, which is asked first."""
    account = _account(node)
    if request.method == "POST":
        given = _given()
        url = str(given.get("override_callback_uri") or "")
        account.override = _verified(url, str(given.get("verify_token") or ""))
        account.subscribed = True
        return jsonify(success=True)
    if request.method == "DELETE":
        account.subscribed, account.override = False, ""
        return jsonify(success=True)
    app = {"link": "https://www.facebook.com/games/?app_id=1", "name": "Sendero", "id": account.app_id}
    override = {"override_callback_uri": account.override} if account.override else {}
    return jsonify(data=[{"whatsapp_business_api_data": app, **override}] if account.subscribed else [])


@blueprint.get("/<node>/message_templates")
def message_templates(node: str) -> Response:
    """The account's templates, page by page, by `name`, `status`, `language` or `category`."""
    account, wanted = _account(node), {name: request.args.get(name, "") for name in nodes.FILTERS}
    found = [one.listed() for one in account.templates]
    found = [one for one in found if all(not value or one[name] == value for name, value in wanted.items())]
    return jsonify(nodes.page([nodes.chosen(one, "MessageTemplate", nodes.TEMPLATE_FIELDS) for one in found]))


def _verified(url: str, token: str) -> str:
    try:
        return subscribe(url, token) if url else ""
    except SubscriptionRefused as error:
        raise GraphError(2200, message=f"(#2200) Callback verification failed: {error}") from None


def _given() -> dict[str, Any]:
    """The parameters of a POST, as JSON, as a form or in the address: Graph takes all three."""
    body = request.get_json(silent=True)
    return {**request.args.to_dict(), **request.form.to_dict(), **(body if isinstance(body, dict) else {})}


@files.get("/whatsapp_business/attachments/")
def attachment() -> Response:
    """A file behind its address: with the bearer token, as long as the address lives. Without it, a 401 page."""
    try:
        account = caller()
    except GraphError:
        return Response("<html>401</html>", 401, mimetype="text/html")
    found = sandbox().cloud.files.opened(request.args.get("mid", ""), request.args.get("hash", ""))
    if found is None or found.account_id != account.id:
        return Response("<html>404</html>", 404, mimetype="text/html")
    return Response(found.content, mimetype=found.mime)
