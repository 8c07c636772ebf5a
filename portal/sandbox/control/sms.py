"""The stand-in SMS providers by JSON: how they behave, what customers write, and what was taken and posted."""

from dataclasses import asdict, replace

from flask import Response, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.control.shown import blueprint, body, plain
from portal.sandbox.sms.messages import Written
from portal.sandbox.sms.provider import SmsProvider

MOST_SHOWN = 1000
SETTINGS = ("delay", "copies", "shuffled", "lost", "deaf", "balance", "callback")
PROGRESS = ("sent_after", "final_after", "outcome")


@blueprint.get("/sms")
def sms_providers() -> Response:
    """Every provider: where it is, the credentials that it knows, and how it behaves."""
    here = sandbox()
    return jsonify([_shown(one) for one in here.sms.values()])


@blueprint.patch("/sms/<kind>")
def sms_settings(kind: str) -> Response:
    """Changes `delay`, `copies`, `shuffled`, `lost`, `deaf`, `balance`, `callback` and the fate."""
    provider = sandbox().sms[kind]
    for name, value in body().items():
        if name in PROGRESS:
            provider.progress = replace(provider.progress, **{name: value})
        elif name in SETTINGS:
            setattr(provider, name, value)
        else:
            raise KeyError(name)
    return jsonify(_shown(provider))


@blueprint.post("/sms/<kind>/decide")
def sms_decide(kind: str) -> Response:
    """Messages to a number end so from now on, `{phone, outcome}`; "" lifts it."""
    asked = body()
    sandbox().sms[kind].decide(asked["phone"], asked["outcome"])
    return jsonify(ok=True)


@blueprint.post("/sms/<kind>/write")
def sms_write(kind: str) -> Response:
    """A customer writes, `{text, from_number, webhook_url, to?, files?, text_id?, copies?}`."""
    asked, here = body(), sandbox()
    text_id = asked.get("text_id") or here.ids.new("text")
    files = tuple(asked.get("files", ()))
    url, to = asked["webhook_url"], asked.get("to", "")
    written = Written(text_id, here.clock(), asked["from_number"], to, asked["text"], url, files)
    answers = here.sms[kind].write(written, asked.get("copies", 1))
    return jsonify(id=text_id, answers=[plain(one) for one in answers])


@blueprint.get("/sms/<kind>/sent")
def sms_sent(kind: str) -> Response:
    """What the provider took, by `to`, with how it stands; and what it took more than once."""
    provider, now = sandbox().sms[kind], sandbox().clock()
    found = provider.accepted(to=request.args.get("to", ""))[-MOST_SHOWN:]
    repeats = [{"to": to, "text": text, "times": n} for (to, text), n in provider.repeats().items()]
    return jsonify(sent=[asdict(one) | {"status": one.word(now)} for one in found], repeats=repeats)


@blueprint.get("/sms/<kind>/posted")
def sms_posted(kind: str) -> Response:
    """The calls at the portal, each with its answer, and how many wait."""
    provider = sandbox().sms[kind]
    posted = [
        {"about": one.about, "word": one.word, "method": one.hook.method, "url": one.hook.url}
        | {"body": one.hook.body.decode("utf-8", "replace"), "answer": plain(one.answer)}
        for one in list(provider.posted)[-MOST_SHOWN:]
    ]
    return jsonify(waiting=provider.poster.waiting, posted=posted)


def _shown(provider: SmsProvider) -> dict[str, object]:
    known = {name: getattr(provider, name) for name in SETTINGS} | asdict(provider.progress)
    return {"kind": provider.dialect.kind, "api_url": provider.url, "credentials": provider.credentials, **known}
