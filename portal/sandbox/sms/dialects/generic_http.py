"""Three gateways that nobody has ever heard of, one of JSON, one of forms, one of XML: the documentation's examples."""

import json
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from flask import Blueprint, Response, jsonify, request

from portal.sandbox.sms import messages as words
from portal.sandbox.sms.messages import Hook, Order, Sent, Written
from portal.sandbox.sms.serving import note, provider, take

KIND = "generic_http"
API_KEY, USER, PASSWORD = "sandbox-gateway-key", "sandbox", "sandbox-gateway-password"
# The number says through which of them a customer's text comes.
JSON_NUMBER, FORM_NUMBER, XML_NUMBER = "21601", "21602", "21603"
STATES: Mapping[str, str] = {
    words.ACCEPTED: "ACCEPTED",
    words.SENT: "ENROUTE",
    words.DELIVERED: "DELIVRD",
    words.UNDELIVERED: "UNDELIV",
    words.REJECTED: "REJECTD",
    words.EXPIRED: "EXPIRED",
    words.FAILED: "NO_ROUTE",
}
FORM_STATES = {name: str(number) for number, name in enumerate(STATES.values())}
CREDENTIALS: Mapping[str, str] = {
    "send_url": "{url}/json/messages",
    "content_type": "application/json",
    "headers": "Authorization: Bearer {{api_key}}",
    "body": '{"recipient": "{{to_no_plus}}", "sender": "{{from}}", "message": "{{text}}", "reference": "{{key}}",'
    ' "dlr": "{{callback}}"}',
    "api_key": API_KEY,
    "from": JSON_NUMBER,
    "success_at": "data.status=queued",
    "id_at": "data.message.id",
    "errors": "invalid recipient=invalid; insufficient credit=stop; rate limit=slow",
    "status_url": "{url}/json/messages/{{id}}",
    "status_at": "data.status",
    "status_words": "NO_ROUTE=failed",
    "report_items": "reports",
    "report_id": "message.id",
    "report_reference": "reference",
    "inbound_items": "messages",
    "inbound_from": "originator",
    "inbound_to": "recipient",
    "inbound_text": "content.body",
    "probe_url": "{url}/json/account",
}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}
_XML = {"Content-Type": "text/xml"}

blueprint = Blueprint(KIND, __name__)


@blueprint.post("/json/messages")
@blueprint.post("/form/send")
@blueprint.post("/xml/gateway")
def send() -> Response:
    """Takes a message, in the words of one of the three."""
    return {"json": _json, "form": _form, "xml": _xml}[request.path.rsplit("/", 2)[1]]()


@blueprint.get("/json/messages/<message_id>")
def message(message_id: str) -> tuple[Response, int] | Response:
    """How a message of the JSON gateway stands."""
    sent = provider(KIND).find(message_id)
    if not _has_key() or sent is None:
        return jsonify(error="not found" if _has_key() else "unauthorized"), 404 if _has_key() else 401
    return jsonify(data={"status": STATES[sent.word(provider(KIND).sandbox.clock())], "message": {"id": sent.id}})


@blueprint.get("/json/account")
def account() -> tuple[Response, int] | Response:
    """Whether the key is good."""
    return jsonify(data={"name": "Sandbox"}) if _has_key() else (jsonify(error="unauthorized"), 401)


class GenericHttp:
    """The JSON gateway is the one of `credentials`."""

    kind = KIND
    title = "HTTP gateway"
    blueprint = blueprint
    credentials: Mapping[str, str] = CREDENTIALS
    tries = 4
    reports = delivers = names_calls = hears = True

    def refusal(self, status: int) -> tuple[str, str]:
        """An error of the JSON gateway."""
        told = {401: "unauthorized", 429: "rate limit"}.get(status, "The sandbox's fault panel made this happen")
        return json.dumps({"error": told}), "application/json"

    def receipt(self, sent: Sent, word: str) -> Sequence[Hook]:
        """JSON and XML are posted; the gateway of forms calls by GET."""
        url, state = sent.order.callback, STATES[word]
        style = sent.order.extra.get("style", "json")
        if style == "form":
            told = urlencode({"msgid": sent.id, "state": FORM_STATES[state]})
            return [Hook("GET", f"{url}{'&' if '?' in url else '?'}{told}")]
        if style == "xml":
            body = f'<report><sms id="{sent.id}"><state>{state}</state></sms></report>'
            return [Hook("POST", url, body.encode(), _XML)]
        report = {"message": {"id": sent.id}, "status": state, "reference": sent.order.key}
        return [Hook("POST", url, json.dumps({"reports": [report]}).encode(), _JSON)]

    def inbound(self, written: Written) -> Sequence[Hook]:
        """As the gateway words it to which the number belongs."""
        if written.to == FORM_NUMBER:
            told = {
                "id": written.id,
                "msisdn": written.from_number[1:],
                "shortcode": written.to,
                "message": written.text,
            }
            return [Hook("POST", written.url, urlencode(told).encode(), _FORM)]
        if written.to == XML_NUMBER:
            head = f"<sms id={quoteattr(written.id)} from={quoteattr(written.from_number)} to={quoteattr(written.to)}>"
            body = (
                f'<?xml version="1.0" encoding="UTF-8"?><inbox>{head}<text>{escape(written.text)}</text></sms></inbox>'
            )
            return [Hook("POST", written.url, body.encode(), _XML)]
        text = {"id": written.id, "originator": written.from_number, "recipient": written.to or JSON_NUMBER}
        told_text = {"messages": [text | {"content": {"body": written.text}}]}
        return [Hook("POST", written.url, json.dumps(told_text).encode(), _JSON)]


def _has_key() -> bool:
    return request.headers.get("Authorization") == f"Bearer {API_KEY}"


def _json() -> Response:
    asked = request.get_json(silent=True) or {}
    to, text = str(asked.get("recipient", "")), str(asked.get("message", ""))
    note(to, text)
    status = 200
    told: dict[str, object]
    if not _has_key():
        status, told = 401, {"error": "unauthorized"}
    elif not to.isdigit() or len(to) < 8:
        status, told = 422, {"error": "invalid recipient"}
    else:
        key, sender = str(asked.get("reference", "")), str(asked.get("sender", ""))
        sent = take(KIND, Order(USER, to, text, sender, str(asked.get("dlr", "")), key, extra={"style": "json"}))
        told = {"data": {"status": "queued", "message": {"id": sent.id}}}
    response = jsonify(told)
    response.status_code = status
    return response


def _form() -> Response:
    form = request.form
    note(form.get("to", ""), form.get("text", ""))
    if (form.get("user"), form.get("pass")) != (USER, PASSWORD):
        return Response("ERR 10: login failed", content_type="text/plain")
    if not form.get("to", "").isdigit():
        return Response("ERR 20: bad number", content_type="text/plain")
    to, text, sender, callback = (form.get(name, "") for name in ("to", "text", "from", "dlr"))
    sent = take(KIND, Order(USER, to, text, sender, callback, extra={"style": "form"}))
    return Response(f"OK ID={sent.id} PARTS={sent.parts}", content_type="text/plain")


def _xml() -> Response:
    root = ElementTree.fromstring(request.get_data())
    sms = root.find("sms")
    to, text = (sms.get("to", ""), sms.findtext("text", "")) if sms is not None else ("", "")
    note(to, text)
    if root.find("auth") is None or root.findtext("auth") != API_KEY:
        return _said("<response><code>401</code><reason>bad key</reason></response>")
    if sms is None or not to.startswith("+"):
        return _said("<response><code>22</code><reason>bad number</reason></response>")
    order = Order(USER, to, text, sms.get("from", ""), root.findtext("dlr", ""), extra={"style": "xml"})
    return _said(f'<response><code>0</code><sms id="{take(KIND, order).id}"/></response>')


def _said(body: str) -> Response:
    return Response(f'<?xml version="1.0"?>{body}', content_type="text/xml")


DIALECT = GenericHttp()
