"""Cast's API v1: send under an idempotency key, poll the status, look at the account."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import quote

from portal.channels.base import (
    Accepted,
    Account,
    ChannelError,
    ChannelEvent,
    CredentialField,
    Family,
    Outcome,
    Outgoing,
    Probe,
    Receipt,
    Scope,
    WebhookRequest,
)
from portal.channels.cast.codes import BY_HTTP_STATUS, DELIVERY_WORDS, ERRORS, FAILURES, STATUSES
from portal.http import HttpClient, NotSent, OutcomeUnknown, Response

PUBLIC_URL = "https://api.cast.ph"
SEND = "/api/v1/sms/send"
STATUS = "/api/v1/sms/status/"
BALANCE = "/api/v1/account/balance"
SENDER_IDS = "/api/v1/account/sender-ids"


class Cast:
    """Cast keeps an idempotency key's answer for 24 h, so an unknown outcome is repeated under the same key."""

    kind = "cast"
    name = "Cast.ph SMS"
    family = Family.SMS
    fields: tuple[CredentialField, ...] = (
        CredentialField("api_key", "API key", secret=True, help="Starts with cast_ (cast_test_ sends nothing)."),
        CredentialField("sender_id", "Sender id", help="The name people see, as approved by Cast."),
    )
    idempotent = True
    polls = True
    separate_attachments = False
    confirms_delivery = True

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST. A repetition under the same key gets the first call's answer and sends nothing again."""
        payload = {"to": part.to, "message": "\n".join(filter(None, (part.text, *part.attachments)))}
        if sender_id := account.credentials.get("sender_id"):
            payload["sender_id"] = sender_id
        answer = _call(http, account, "POST", SEND, json=payload, key=part.idempotency_key)
        said = _read(answer)
        if answer.status == 200 and said.get("success") is not False and said.get("message_id"):
            code = "sandbox" if said.get("sandbox") else ""
            return Accepted(str(said["message_id"]), _count(said.get("parts")), code)
        _refuse(answer, said, in_doubt=not _definite(answer, said))

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """Cast's word on a message: its own status first when that is final, then the carrier's raw word."""
        answer = _call(http, account, "GET", STATUS + quote(external_id, safe=""))
        said = _read(answer)
        if said.get("error_code") == "NOT_FOUND":
            raise ChannelError("Cast does not know this message.", code="NOT_FOUND")
        if answer.status != 200:
            _refuse(answer, said)
        return _receipt(external_id, said)

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Reads the balance, and whether the sender id is approved. A refusal is the probe's answer, not an error."""
        answer = _call(http, account, "GET", BALANCE)
        said = _read(answer)
        if answer.status in (401, 402, 403, 404):
            return Probe(False, _verdict(answer, said)[3])
        if answer.status != 200 or "credits" not in said:
            _refuse(answer, said)
        facts = {"credits": str(said["credits"]), "currency": str(said.get("currency", ""))}
        sender_id = account.credentials.get("sender_id", "")
        approved = _approved(http, account)
        if sender_id and approved is not None and sender_id not in approved:
            known = ", ".join(sorted(approved)) or "none"
            return Probe(False, f"Cast has not approved the sender id {sender_id} for SMS. Approved: {known}.", facts)
        return Probe(True, f"Cast knows the key. Balance: {facts['credits']} credits.", facts)

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """Never: Cast documents no webhooks."""
        return False

    def lane(self, request: WebhookRequest) -> str:
        """None: Cast documents no webhooks."""
        return ""

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """Always raises: Cast documents no webhooks."""
        raise ChannelError("Cast sends no webhooks: this request did not come from Cast.")

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """Nothing in particular."""
        return "", "text/plain"


def _call(
    http: HttpClient, account: Account, method: str, path: str, *, json: Mapping[str, str] | None = None, key: str = ""
) -> Response:
    headers = {"X-API-Key": account.credentials.get("api_key", "")}
    if key:
        headers["X-Idempotency-Key"] = key
    url = (account.api_url or PUBLIC_URL).rstrip("/") + path
    try:
        return http.request(method, url, headers=headers, json=json, private_hosts=account.private_hosts)
    except NotSent as error:
        raise ChannelError(error.message, scope=Scope.SENDER, retry=True) from error
    except OutcomeUnknown as error:
        raise ChannelError(error.message, scope=Scope.SENDER, retry=True, unknown=method == "POST") from error


def _read(answer: Response) -> Mapping[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _definite(answer: Response, said: Mapping[str, Any]) -> bool:
    """Is this a refusal, for certain? A 2xx that says nothing, a 5xx, 408 and 409 (still at it) are not."""
    if answer.status < 300:
        return said.get("success") is False
    return answer.status < 500 and answer.status not in (408, 409)


def _refuse(answer: Response, said: Mapping[str, Any], *, in_doubt: bool = False) -> NoReturn:
    code, scope, retry, sentence = _verdict(answer, said)
    # A replayed refusal stays under its key for 24 h: nothing is in doubt, and the same key will never do better.
    # A replayed 2xx that cannot be read is no refusal: the message most likely went out.
    replayed = answer.headers.get("x-idempotent-replay", "").lower() == "true"
    cached = replayed and (answer.status >= 400 or said.get("success") is False)
    raise ChannelError(
        sentence,
        code=code,
        scope=Scope.SENDER if in_doubt else scope,
        retry=in_doubt or retry,
        retry_after=answer.retry_after(),
        unknown=in_doubt and not cached,
        cached=cached,
    )


def _verdict(answer: Response, said: Mapping[str, Any]) -> tuple[str, Scope, bool, str]:
    code = str(said.get("error_code") or "")[:60]
    known = ERRORS.get(code) or ERRORS.get(BY_HTTP_STATUS.get(answer.status, ""))
    if known is None and _definite(answer, said) and not 300 <= answer.status < 400:
        known = (Scope.MESSAGE, False, f"Cast refused it, for a reason that is not known here (HTTP {answer.status}).")
    if known is None:
        known = (Scope.SENDER, True, f"Cast's answer cannot be used (HTTP {answer.status}).")
    return code or str(answer.status), *known


def _receipt(external_id: str, said: Mapping[str, Any]) -> Receipt | None:
    status, word = str(said.get("status") or "").lower(), str(said.get("dlr_status") or "").upper()
    outcome = STATUSES.get(status)
    if status not in ("delivered", "failed"):
        outcome = DELIVERY_WORDS.get(word, outcome)
    if outcome is None:
        return None
    at = _moment(said.get({Outcome.SENT: "sent_at", Outcome.DELIVERED: "delivered_at"}.get(outcome, "")))
    lost = outcome in (Outcome.FAILED, Outcome.EXPIRED)
    detail = (FAILURES.get(word) or FAILURES[status]) if lost else ""
    return Receipt(external_id, outcome, code=word or status, detail=detail, at=at)


def _moment(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _approved(http: HttpClient, account: Account) -> set[str] | None:
    """The account's approved sender ids for SMS, or None when Cast does not say."""
    try:
        answer = _call(http, account, "GET", SENDER_IDS)
    except ChannelError:
        return None
    listed = _read(answer).get("sender_ids")
    if answer.status != 200 or not isinstance(listed, list):
        return None
    entries = [entry for entry in listed if isinstance(entry, dict) and entry.get("channel", "sms") == "sms"]
    return {str(entry["sender_id"]) for entry in entries if entry.get("sender_id")}
