"""Toy's API: one POST sends, one GET tells, and nothing is idempotent."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import quote

from portal.channels.base import (
    Accepted,
    Account,
    ChannelError,
    ChannelEvent,
    CredentialField,
    Family,
    Outgoing,
    Probe,
    Receipt,
    Scope,
    WebhookRequest,
)
from portal.channels.toy import webhook
from portal.channels.toy.codes import BY_HTTP_STATUS, ERRORS, OUTCOMES
from portal.http import HttpClient, NotSent, OutcomeUnknown, Response


class Toy:
    """A provider that exists in this test alone."""

    kind = "toy"
    name = "Toy SMS"
    family = Family.SMS
    fields: tuple[CredentialField, ...] = (CredentialField("token", "Token", secret=True),)
    idempotent = False
    polls = True
    separate_attachments = False
    confirms_delivery = True
    calls_back = True

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST."""
        text = "\n".join(filter(None, (part.text, *(file.url for file in part.files))))
        answer = _call(http, account, "POST", "/send", {"to": part.to, "text": text})
        said = _read(answer)
        if answer.status == 200 and said.get("id"):
            return Accepted(str(said["id"]))
        _refuse(answer, said)

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """Toy's word on a message."""
        said = _read(_call(http, account, "GET", f"/messages/{quote(external_id, safe='')}"))
        outcome = OUTCOMES.get(str(said.get("status")))
        return Receipt(external_id, outcome) if outcome else None

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Asks who we are."""
        answer = _call(http, account, "GET", "/me")
        return Probe(answer.status == 200, f"Toy answered {answer.status}.")

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """By its signature."""
        return webhook.verify(account, request)

    def lane(self, request: WebhookRequest) -> str:
        """The customer's number."""
        return webhook.lane(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """A message or a receipt."""
        return webhook.parse(request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """Toy wants to hear its name."""
        return "TOY", "text/plain"


def _call(
    http: HttpClient, account: Account, method: str, path: str, json: Mapping[str, str] | None = None
) -> Response:
    headers = {"Authorization": f"Bearer {account.credentials.get('token', '')}"}
    url = (account.api_url or "https://api.toy.example").rstrip("/") + path
    try:
        return http.request(method, url, headers=headers, json=json, private_hosts=account.private_hosts)
    except NotSent as error:
        raise ChannelError(error.message, code="not_sent", scope=Scope.SENDER, retry=True) from error
    except OutcomeUnknown as error:
        posted = method == "POST"
        raise ChannelError(
            error.message, code="no_answer", scope=Scope.SENDER, retry=not posted, unknown=posted
        ) from error


def _read(answer: Response) -> Mapping[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {}


def _refuse(answer: Response, said: Mapping[str, Any]) -> NoReturn:
    code = str(said.get("error") or BY_HTTP_STATUS.get(answer.status, ""))
    if code in ERRORS:
        scope, retry, sentence = ERRORS[code]
        raise ChannelError(sentence, code=code, scope=scope, retry=retry, retry_after=answer.retry_after())
    text = f"Toy answered {answer.status}, and nothing that says what became of the message."
    raise ChannelError(text, code=str(answer.status), scope=Scope.SENDER, unknown=True)
