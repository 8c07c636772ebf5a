"""One call to a provider's API, and the truth when no whole answer comes."""

from collections.abc import Mapping
from typing import Any

from portal.channels.base import Account, ChannelError, Scope
from portal.http import HttpClient, NotSent, OutcomeUnknown, Response


def call(
    http: HttpClient,
    account: Account,
    method: str,
    url: str,
    *,
    sends: bool,
    idempotent: bool = False,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    json: Any = None,
    data: Mapping[str, str] | bytes | str | None = None,
) -> Response:
    """Calls once. Raises `ChannelError` when there is no whole answer.

    `sends`: it sends a message, whose outcome is unknown then; what only asks may be asked again. `idempotent`: the
    same call may be repeated all the same. No error holds a header, a query or a body.
    """
    try:
        return http.request(
            method,
            url,
            headers=headers,
            params=params,
            json=json,
            data=data,
            private_hosts=account.private_hosts,
        )
    except NotSent as error:
        raise ChannelError(error.message, code="not_sent", scope=Scope.SENDER, retry=True) from error
    except OutcomeUnknown as error:
        again = idempotent or not sends
        raise ChannelError(error.message, code="no_answer", scope=Scope.SENDER, retry=again, unknown=sends) from error


def base(account: Account, public_url: str) -> str:
    """Where the provider's API is for this sender, without a slash at its end."""
    return (account.api_url or public_url).rstrip("/")


def said(answer: Response) -> Any:
    """The answer's JSON, None when it is none."""
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None


def said_object(answer: Response) -> Mapping[str, Any]:
    """The answer's JSON object, empty when it is none."""
    found = said(answer)
    return found if isinstance(found, dict) else {}
