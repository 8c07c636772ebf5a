"""The journeys as the page shows them: stages reached, and every step with its time since the start. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from portal.sandbox.cast.messages import OUTCOMES, Accepted
from portal.sandbox.ghl.mailbox import Message
from portal.sandbox.green_api.instances import Sent
from portal.sandbox.journeys import Journey, Step
from portal.sandbox.sms import shown as sms
from portal.sandbox.sms.messages import Sent as SmsSent
from portal.sandbox.whatsapp_cloud.numbers import Sent as CloudSent

PLACES = {
    "ghl": "GHL",
    "portal": "Portal",
    "provider": "Cast",
    "green": "GREEN-API",
    "cloud": "Meta",
    "sms": "Provider",
    "phone": "Phone",
}
# The switch behind an outcome.
CARRIER_FAULTS = {"rejected": "carrier_rejects"}
WHATSAPP_STATES = {
    **dict.fromkeys(("accepted", "pending", "sent", "yellowCard"), "now"),
    **dict.fromkeys(("delivered", "read", "played"), "done"),
}
GHL_STATES = {"pending": "now", "delivered": "done", "read": "done", "failed": "bad"}


@dataclass(frozen=True, slots=True)
class Stage:
    """One station of a message. `state` is done, now, bad or todo; `note` says so in words."""

    name: str
    state: str
    note: str


@dataclass(frozen=True, slots=True)
class Line:
    """One step as it is shown. `after` is the time since the start."""

    after: str
    place: str
    place_name: str
    words: str
    tone: str
    fault: str
    times: int


@dataclass(frozen=True, slots=True)
class Trip:
    """One message under way as it is shown."""

    id: str
    direction: str
    who: str
    text: str
    began: str
    stages: list[Stage]
    lines: list[Line]


def clock_time(at: float) -> str:
    """Unix seconds as the time of day on this machine."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S")


def trip(
    journey: Journey,
    who: str,
    message: Message | None,
    taken: Sequence[Accepted],
    now: float,
    sent: Sequence[Sent | CloudSent | SmsSent] = (),
) -> Trip:
    """The journey, with what the carrier did meanwhile to the messages Cast took for it. `sent` went otherwise."""
    by_sms = [
        Step(at, "phone", words, tone)
        for at, words, tone in sms.steps((one for one in sent if isinstance(one, SmsSent)), now)
    ]
    steps = sorted([*journey.steps, *_carrier_steps(taken, now), *by_sms], key=lambda step: step.at)
    if journey.direction == "outbound":
        stages = _outbound_stages(journey, message, taken, now, sent)
    else:
        stages = _inbound_stages(journey)
    lines = [_line(step, journey.began) for step in steps]
    return Trip(journey.id, journey.direction, who, journey.text, clock_time(journey.began), stages, lines)


def _line(step: Step, began: float) -> Line:
    after = f"+{max(0.0, step.at - began):.2f} s"
    return Line(after, step.place, PLACES[step.place], step.words, step.tone, step.fault, step.times)


def _carrier_steps(taken: Sequence[Accepted], now: float) -> list[Step]:
    steps = []
    for one in taken:
        sent_at, final_at = one.at + one.progress.sent_after, one.at + one.progress.final_after
        if now >= sent_at:
            steps.append(Step(sent_at, "phone", "The carrier has it", "wait"))
        if now >= final_at and one.progress.outcome != "stuck":
            word, _, sentence = OUTCOMES[one.progress.outcome]
            good, fault = word == "delivered", CARRIER_FAULTS.get(one.progress.outcome, "")
            words = "The phone has it" if good else sentence
            steps.append(Step(final_at, "phone", words, "good" if good else "bad", fault))
    return steps


def _outbound_stages(
    journey: Journey,
    message: Message | None,
    taken: Sequence[Accepted],
    now: float,
    sent: Sequence[Sent | CloudSent | SmsSent],
) -> list[Stage]:
    status = message.status if message is not None else "pending"
    stages = [Stage("GHL", "done", "delivery posted"), _portal_stage(journey)]
    if taken:
        once = len(taken) == 1
        stages.append(Stage("Cast", "done" if once else "bad", "took it" if once else f"took it {len(taken)} times"))
        stages.append(_phone_stage(taken[-1], now))
    elif sent:
        word = sent[-1].status(now)
        last = sent[-1]
        name = last.title if isinstance(last, SmsSent) else "Meta" if isinstance(last, CloudSent) else "GREEN-API"
        stages.append(Stage(name, "done", "took it" if len(sent) == 1 else f"took {len(sent)} parts"))
        stages.append(Stage("Phone", WHATSAPP_STATES.get(word, "bad"), word))
    elif status in ("delivered", "read"):
        stages.append(Stage("Simulator", "done", "nothing left this machine"))
    else:
        refused = any(
            step.place in ("provider", "green", "cloud", "sms") and step.tone == "bad" for step in journey.steps
        )
        stages.append(Stage("Provider", "bad" if refused else "todo", "refused so far" if refused else "not yet"))
    heard = message is not None and bool(message.history)
    stages.append(Stage("GHL", GHL_STATES.get(status, "now") if heard else "todo", f"shows “{status}”"))
    return stages


def _phone_stage(one: Accepted, now: float) -> Stage:
    if now < one.at + one.progress.final_after or one.progress.outcome == "stuck":
        return Stage("Phone", "now", "on its way")
    word = OUTCOMES[one.progress.outcome][0]
    return Stage("Phone", "done" if word == "delivered" else "bad", "has it" if word == "delivered" else word)


def _inbound_stages(journey: Journey) -> list[Stage]:
    shown = [step for step in journey.steps if step.place == "ghl"]
    reached = any(step.tone == "good" for step in shown)
    state = "done" if reached else "bad" if shown else "todo"
    note = {"done": "in the conversation", "bad": "refused so far", "todo": "not yet"}[state]
    return [Stage("Phone", "done", "text sent"), _portal_stage(journey), Stage("GHL", state, note)]


def _portal_stage(journey: Journey) -> Stage:
    answers = [step for step in journey.steps if step.place == "portal"]
    if not answers:
        return Stage("Portal", "now", "posting")
    if any(step.tone == "good" for step in answers):
        return Stage("Portal", "done", "kept it")
    return Stage("Portal", "bad", "did not take it")
