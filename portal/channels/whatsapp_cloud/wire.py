"""One call to the Graph API, and what its refusals mean.

The token goes in `Authorization`, never in an address. Of what Meta answers only its own description of the error is
ever repeated, without the token.
"""

from collections.abc import Mapping
from typing import Any, BinaryIO, NoReturn
from urllib.parse import quote

from portal.channels.base import Account, ChannelError, Scope
from portal.channels.values import block, blocks, identifier, number, text
from portal.channels.whatsapp_cloud import codes
from portal.channels.whatsapp_cloud.codes import Refusal
from portal.channels.whatsapp_cloud.fields import base, own_app, token
from portal.channels.whatsapp_cloud.peek import readable
from portal.http import LONGEST, HttpClient, NotSent, OutcomeUnknown, Response

# Of templates that is 10 000, and an account may have 6 000.
MOST_PAGES = 100
LONGEST_WAIT = 3600.0
_MISSING_OBJECT = 33


def call(
    http: HttpClient,
    account: Account,
    path: str,
    *,
    json: Mapping[str, Any] | None = None,
    form: tuple[BinaryIO, str] | None = None,
    params: Mapping[str, str] | None = None,
    sends: bool = False,
    deadline: float = LONGEST,
) -> Response:
    """GET, or POST when there is something to say. Raises `ChannelError` when there is no whole answer.

    `form` is a body and its content type, `deadline` seconds for all of it. `sends`: the call may reach a customer, so
    that it is not repeated lightly.
    """
    verb = "GET" if json is None and form is None else "POST"
    data = None if form is None else form[0]
    headers = bearer(account) | ({} if form is None else {"Content-Type": form[1]})
    url = f"{base(account)}/{path}"
    try:
        return http.request(
            verb,
            url,
            headers=headers,
            json=json,
            data=data,
            params=params,
            private_hosts=account.private_hosts,
            deadline=deadline,
        )
    except NotSent as error:
        raise ChannelError(error.message, code="unreached", scope=Scope.SENDER, retry=True) from error
    except OutcomeUnknown as error:
        raise ChannelError(
            error.message, code="no_answer", scope=Scope.SENDER, retry=not sends, unknown=sends
        ) from error


def ask(
    http: HttpClient,
    account: Account,
    path: str,
    *,
    json: Mapping[str, Any] | None = None,
    form: tuple[BinaryIO, str] | None = None,
    params: Mapping[str, str] | None = None,
    sends: bool = False,
    deadline: float = LONGEST,
) -> Mapping[str, Any]:
    """The object that is answered. Raises `ChannelError` for anything but 200 with a JSON object without an error."""
    answer = call(http, account, path, json=json, form=form, params=params, sends=sends, deadline=deadline)
    said = read(answer)
    if answer.status != 200 or not isinstance(said, dict) or "error" in said:
        refuse(account, answer, sends=sends)
    return said


def pages(http: HttpClient, account: Account, path: str, params: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """The objects of a list over all its pages. Raises `ChannelError`.

    Also when it has no end: a list that is cut off would say of all the rest that it is not there.
    """
    found: list[Mapping[str, Any]] = []
    after = ""
    for _ in range(MOST_PAGES):
        said = ask(http, account, path, params={**params, **({"after": after} if after else {})})
        if not isinstance(said.get("data"), list):
            raise ChannelError("Meta's answer holds no list.", code="no_list", scope=Scope.SENDER, retry=True)
        found += blocks(said["data"])
        paging = block(said.get("paging"))
        if not paging.get("next"):
            return found
        # `cursors.after` is there on the last page too, `next` is not.
        after = text(block(paging.get("cursors")).get("after"))
        if not after:
            break
    raise ChannelError("Meta's list has no end.", code="no_end", scope=Scope.SENDER, retry=True)


def bearer(account: Account) -> dict[str, str]:
    """The header that opens Meta's door."""
    return {"Authorization": f"Bearer {token(account.credentials)}"}


def segment(value: str) -> str:
    """An id as a part of a path."""
    return quote(value, safe="")


def read(answer: Response) -> Any:
    """The answer's JSON, None when it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def refuse(account: Account, answer: Response, *, sends: bool) -> NoReturn:
    """Raises what the answer means."""
    said = read(answer)
    error = block(said.get("error")) if isinstance(said, dict) else {}
    code = text(error.get("code"))
    found, sentence = _coded(account, answer, error, code) if code else _uncoded(answer)
    doubt = found.doubt and sends
    raise ChannelError(
        sentence if doubt or not found.doubt else f"Meta had an error of its own (HTTP {answer.status}).",
        code=code or str(answer.status),
        scope=found.scope,
        retry=found.retry or (found.doubt and not sends),
        retry_after=_wait(answer, found),
        unknown=doubt,
        stops=found.stops,
        crowded=found.crowded,
        no_marketing=found.no_marketing,
    )


def _coded(account: Account, answer: Response, error: Mapping[str, Any], code: str) -> tuple[Refusal, str]:
    """A code that nobody has described leaves the outcome open when it comes with Meta's own fault (5xx)."""
    if code == "100" and error.get("error_subcode") == _MISSING_OBJECT:
        return codes.GONE, codes.GONE.sentence
    if code not in codes.REFUSALS and (answer.status == 200 or answer.status >= 500):
        return _uncoded(answer)
    return codes.of(code), codes.sentence(code, codes.words(error, _secrets(account)))


def _uncoded(answer: Response) -> tuple[Refusal, str]:
    """By the HTTP status alone: what stands before Graph (a proxy, a firewall) has no codes."""
    status = answer.status
    if status in (401, 403):
        found = Refusal(Scope.SENDER, True, f"Meta refuses the access token (HTTP {status}): check it.")
    elif status == 429:
        found = Refusal(Scope.SENDER, True, "Meta asks to call more slowly: the sender waits by itself.")
    elif 300 <= status < 400 or status in (404, 405):
        found = Refusal(
            Scope.SENDER, True, f"Meta's API is not at this address (HTTP {status}): check the sender's API address."
        )
    elif status < 300 or status in (408, 409) or status >= 500:
        text_ = f"Meta's answer cannot be used (HTTP {status}): it may have gone out."
        found = Refusal(Scope.SENDER, False, text_, doubt=True)
    else:
        found = Refusal(Scope.MESSAGE, False, f"Meta refused it, for a reason not known here (HTTP {status}).")
    return found, found.sentence


def _wait(answer: Response, found: Refusal) -> float | None:
    """Seconds: what Meta names, in one header or the other, else what experience says."""
    named = answer.retry_after()
    if named is not None or not found.retry:
        return named
    return _usage(answer) or found.wait


def _usage(answer: Response) -> float | None:
    """`estimated_time_to_regain_access` in minutes, the longest of them (Graph API, "Rate limits")."""
    said = readable(answer.headers.get("x-business-use-case-usage", "").encode())
    lists = said.values() if isinstance(said, dict) else ()
    minutes = [number(each.get("estimated_time_to_regain_access")) or 0.0 for kept in lists for each in blocks(kept)]
    longest = max(minutes, default=0.0)
    return min(longest * 60, LONGEST_WAIT) if longest > 0 else None


def _secrets(account: Account) -> tuple[str, ...]:
    return token(account.credentials), *own_app(account.credentials)


def message_id(said: Mapping[str, Any]) -> tuple[str, str]:
    """The id of the message that was taken, "" when none is named, and Meta's word on it where it is none of all days.

    `held_for_quality_assessment` and `paused` come for templates that Meta still watches.
    """
    first = next(iter(blocks(said.get("messages"))), {})
    status = text(first.get("message_status"))
    return identifier(first.get("id")), "" if status == "accepted" else status[:60]
