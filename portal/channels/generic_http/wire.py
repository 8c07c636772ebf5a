"""The calls to a gateway, and what its answers mean by the sender's settings."""

from collections.abc import Mapping
from dataclasses import replace

from portal.channels import calling
from portal.channels.base import Accepted, Account, ChannelError, Outgoing, Probe, Receipt
from portal.channels.generic_http import documents, settings, templates
from portal.channels.generic_http.codes import NAME, REFUSALS, STATUSES, table
from portal.channels.generic_http.documents import AFTER
from portal.channels.generic_http.fields import ANY, GET
from portal.channels.generic_http.receipts import receipt
from portal.channels.generic_http.templates import Faulty
from portal.channels.outgoing import with_links
from portal.channels.refusals import Refusal, by_status, config, in_doubt, invalid, refuse
from portal.channels.values import identifier
from portal.http import HttpClient, Response

MOST_READ = 1024 * 1024
_CONTRADICTS = in_doubt("The gateway's answer says success and a refusal: it may have gone out.")
# Scripts answer a form that they have carried out so (RFC 9110, 15.4.4).
_REDIRECTED = in_doubt("The gateway answers with another address to look at: it may have gone out.")
_NO_SUCCESS = in_doubt("The gateway's answer does not say that it took the message: it may have gone out.")


def send(http: HttpClient, account: Account, part: Outgoing) -> Accepted:
    """One call. Where no place of an id is set, our key is the id; one that is missing there comes with the report."""
    known = account.credentials
    most = known.get("max_length", "")
    if most.isascii() and most.isdigit() and len(with_links(part)) > int(most):
        raise invalid(f"The gateway takes {most} characters at most: shorten the text.").error("too_long")
    answer = _send(http, account, part)
    said = documents.of_answer(answer.body[:MOST_READ])
    refusal = _refusal(known, answer)
    if _is_success(known, answer, said):
        if refusal is not None:
            raise _CONTRADICTS.error(refusal[0], answer)
        return Accepted(_id(known, answer, said) if known.get("id_at") else part.idempotency_key)
    if refusal is not None:
        code, meaning = refusal
        raise meaning.error(code, answer)
    known_by_status = _REDIRECTED if answer.status in (302, 303) else None
    refuse(NAME, answer, "", _NO_SUCCESS if 200 <= answer.status < 300 else known_by_status)


def status(http: HttpClient, account: Account, external_id: str) -> Receipt | None:
    """What the gateway answers about a message; None where it cannot be asked, or for a word that nobody knows."""
    known = account.credentials
    if not known.get("status_url"):
        return None
    asked = templates.secrets(known) | {"id": external_id, "key": external_id.replace(":", "_")}
    answer = _ask(http, account, known["status_url"], asked)
    if answer.status == 404:
        raise ChannelError("The gateway does not know this message.", code="404")
    if not 200 <= answer.status < 300:
        refuse(NAME, answer, sends=False)
    said = documents.of_answer(answer.body[:MOST_READ])
    word = documents.find(said, known.get("status_at") or known.get("report_status") or "status")
    if isinstance(said, str) and not known.get("status_at"):
        word = said.strip()[:60]
    try:
        own = table(known.get("status_words", ""), STATUSES)
    except Faulty as error:
        raise config(str(error)).error("settings") from None
    code = documents.find(said, known.get("report_error") or "error")
    return receipt(external_id, word, code, "", own)


def probe(http: HttpClient, account: Account) -> Probe:
    """Do the settings fit together? With a test address: does the gateway like them?"""
    if wrong := settings.problem(account):
        return Probe(False, wrong)
    known = account.credentials
    if not known.get("probe_url"):
        return Probe(
            True, "The settings fit together. The gateway was not asked: enter an address that tests for that."
        )
    answer = _ask(http, account, known["probe_url"], templates.secrets(known))
    if 200 <= answer.status < 300:
        return Probe(True, "The gateway answers, and likes the settings.")
    if answer.status < 500 and answer.status != 429:
        return Probe(False, by_status(NAME, answer.status).sentence, field="probe_url" if answer.status == 404 else "")
    refuse(NAME, answer, sends=False)


def _send(http: HttpClient, account: Account, part: Outgoing) -> Response:
    known = account.credentials
    try:
        filling = templates.values(account, part)
        url, reaches = settings.place(account, templates.address(known.get("send_url", ""), filling))
        headers = templates.headers(known.get("headers", ""), filling)
        body = None
        if settings.method(known) != GET:
            body = (
                templates.body(known.get("body", ""), settings.content_type(known), filling)
                if known.get("body")
                else ""
            )
            headers["Content-Type"] = f"{settings.content_type(known)}; charset=utf-8"
    except Faulty as error:
        raise config(f"The sender's settings cannot be used. {error}").error("settings") from None
    return calling.call(http, reaches, settings.method(known), url, sends=True, headers=headers, data=body)


def _ask(http: HttpClient, account: Account, template: str, filling: Mapping[str, str]) -> Response:
    try:
        url, reaches = settings.place(account, templates.address(template, filling, frozenset(filling)))
        allowed = templates.IN_HEADERS & frozenset(filling)
        headers = templates.headers(account.credentials.get("headers", ""), filling, allowed)
    except Faulty as error:
        raise config(f"The sender's settings cannot be used. {error}").error("settings") from None
    return calling.call(http, reaches, GET, url, sends=False, headers=headers)


def _is_success(known: Mapping[str, str], answer: Response, said: documents.Document) -> bool:
    if not 200 <= answer.status < 300:
        return False
    wanted = known.get("success_text", "")
    path, value = settings.success_at(known)
    words = answer.body[:MOST_READ].decode("utf-8", "replace")
    tests = [wanted == ANY or wanted in words] if wanted else []
    tests += [documents.find(said, path) == value] if path else []
    # Without a test of its own, the id alone proves it.
    return all(tests) if tests else bool(_id(known, answer, said))


def _id(known: Mapping[str, str], answer: Response, said: documents.Document) -> str:
    path = known.get("id_at", "")
    if path.startswith(AFTER):
        said = answer.body[:MOST_READ].decode("utf-8", "replace")
    return identifier(documents.find(said, path)) if path else ""


def _refusal(known: Mapping[str, str], answer: Response) -> tuple[str, Refusal] | None:
    """The first of the words in the answer that a person has entered, and what it means."""
    try:
        words = table(known.get("errors", ""), REFUSALS)
    except Faulty:
        return None
    said = answer.body[:MOST_READ].decode("utf-8", "replace").lower()
    found = next((word for word in words if word in said), "")
    if not found:
        return None
    return found[:40], replace(words[found], sentence=words[found].sentence.format(word=found[:60]))
