"""One call to Cast's API, and what its refusals mean."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from portal.channels import calling
from portal.channels.base import Account, ChannelError, Scope
from portal.channels.cast.codes import BY_HTTP_STATUS, ERRORS, OPTED_OUT, STOPS
from portal.channels.cast.fields import PRODUCT_NAMES, product
from portal.http import HttpClient, Response

PUBLIC_URL = "https://api.cast.ph"
BASE = "/api/v1"


def call(http: HttpClient, account: Account, path: str, *, json: Mapping[str, Any] | None = None, key: str = "") -> Any:
    """GET, or POST when there is something to send. Raises `ChannelError` when there is no whole answer."""
    headers = {"X-API-Key": account.credentials.get("api_key", "")}
    if key:
        headers["X-Idempotency-Key"] = key
    url = calling.base(account, PUBLIC_URL) + BASE + path
    sends = json is not None
    method = "POST" if sends else "GET"
    return calling.call(http, account, method, url, sends=sends, idempotent=True, headers=headers, json=json)


def read(answer: Response) -> Mapping[str, Any]:
    """The answer's JSON object; empty when it is none."""
    return calling.said_object(answer)


def get(http: HttpClient, account: Account, path: str) -> Mapping[str, Any]:
    """A GET's answer. Raises `ChannelError` for anything but success."""
    answer = call(http, account, path)
    said = read(answer)
    if answer.status != 200 or not said or said.get("success") is False:
        refuse(account, answer, said)
    return said


def definite(answer: Response, said: Mapping[str, Any]) -> bool:
    """Is this a refusal, for certain? A 2xx that says nothing, a 5xx, 408 and 409 (still at it) are not."""
    if answer.status < 300:
        return said.get("success") is False
    return answer.status < 500 and answer.status not in (408, 409)


def refuse(account: Account, answer: Response, said: Mapping[str, Any], *, in_doubt: bool = False) -> NoReturn:
    """Raises what the answer means. `in_doubt`: the call may have been carried out."""
    code, scope, retry, sentence = verdict(account, answer, said)
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
        opted_out=code in OPTED_OUT and not in_doubt,
        stops=code in STOPS and not in_doubt,
    )


def verdict(account: Account, answer: Response, said: Mapping[str, Any]) -> tuple[str, Scope, bool, str]:
    """An answer's code, whose fault it is, whether time or a repair can help, and the sentence for a person."""
    code = str(said.get("error_code") or "")[:60]
    known = ERRORS.get(code) or ERRORS.get(BY_HTTP_STATUS.get(answer.status, ""))
    if known is None and definite(answer, said) and not 300 <= answer.status < 400:
        known = (Scope.MESSAGE, False, f"Cast refused it, for a reason that is not known here (HTTP {answer.status}).")
    if known is None:
        known = (Scope.SENDER, True, f"Cast's answer cannot be used (HTTP {answer.status}).")
    scope, retry, sentence = known
    return (
        code or str(answer.status),
        scope,
        retry,
        sentence.format(product=PRODUCT_NAMES[product(account.credentials)]),
    )


def moment(text: object) -> datetime | None:
    """A moment of Cast's; None for one without a zone."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else None


def count(value: object) -> int:
    """A positive number of parts or credits, 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
