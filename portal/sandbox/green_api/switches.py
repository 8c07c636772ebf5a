"""What can go wrong at GREEN-API, as switches of the fault panel."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from portal.sandbox.faults import Effect
from portal.sandbox.switch import Switch, rule

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

GREEN = "GREEN-API, the WhatsApp line"
COPIES = 3
SLOW_SECONDS = 3.0


def _set(name: str, on_value: object, off_value: object) -> Callable[["Sandbox", bool, int | None], None]:
    def turn(sandbox: "Sandbox", on: bool, _: int | None) -> None:
        setattr(sandbox.green, name, on_value if on else off_value)

    return turn


def _held_back(sandbox: "Sandbox", on: bool, _: int | None) -> None:
    for line in sandbox.green.instances.values():
        if on or line.state == "yellowCard":
            sandbox.green.turn(line, "yellowCard" if on else "authorized")


def _no_account(sandbox: "Sandbox", on: bool, _: int | None) -> None:
    sandbox.green.progress = replace(sandbox.green.progress, outcome="noAccount" if on else "delivered")


GREEN_SWITCHES: tuple[Switch, ...] = (
    rule(
        "green_429",
        GREEN,
        "429 from GREEN-API",
        "GREEN-API takes no message: too many calls a second.",
        "The line pauses, and the message goes out once, later.",
        "green.send*",
        Effect.STATUS,
        status=429,
    ),
    rule(
        "green_half_answer",
        GREEN,
        "Half an answer from GREEN-API",
        "GREEN-API takes the message, sends half of its answer and hangs up.",
        "There is no key to ask again with: the message is “unknown” until its webhook or a person tells.",
        "green.send*",
        Effect.HALF_ANSWER,
    ),
    rule(
        "green_466",
        GREEN,
        "466, the plan is used up",
        "GREEN-API takes no message: the month’s quota is used up.",
        "The sender stops with a sentence on what to do, and its messages wait.",
        "green.send*",
        Effect.STATUS,
        status=466,
    ),
    Switch(
        "green_no_account",
        GREEN,
        "No WhatsApp there",
        "GREEN-API takes the message; a moment later it says that the number has no WhatsApp.",
        "GHL shows it as failed with the reason, never as delivered.",
        _no_account,
        lambda sandbox: sandbox.green.progress.outcome == "noAccount",
    ),
    Switch(
        "green_yellow_card",
        GREEN,
        "Yellow card",
        "WhatsApp holds the line’s messages back until the line is restarted or this is switched off.",
        "Messages wait and are told to be waiting; a person is told why.",
        _held_back,
        lambda sandbox: any(line.state == "yellowCard" for line in sandbox.green.instances.values()),
    ),
    Switch(
        "green_deaf",
        GREEN,
        "A deaf instance",
        "The instance posts no webhooks. When this is switched off they all come, in order.",
        "Statuses are asked for instead; what customers wrote arrives afterwards, once.",
        _set("deaf", True, False),
        lambda sandbox: sandbox.green.deaf,
    ),
    Switch(
        "green_copies",
        GREEN,
        "Every webhook three times",
        f"Each notification is posted {COPIES} times.",
        "Every message and every status counts once.",
        _set("copies", COPIES, 1),
        lambda sandbox: sandbox.green.copies > 1,
    ),
    Switch(
        "green_shuffled",
        GREEN,
        "Webhooks out of order",
        "A notification overtakes the one before it whenever two wait.",
        "No status moves backwards, and nothing is lost.",
        _set("shuffled", True, False),
        lambda sandbox: sandbox.green.shuffled,
    ),
    Switch(
        "green_delay",
        GREEN,
        "Slow webhooks",
        f"Each notification is posted {SLOW_SECONDS:.0f} seconds late, one after another.",
        "Everything arrives, only later.",
        _set("delay", SLOW_SECONDS, 0.0),
        lambda sandbox: sandbox.green.delay > 0,
    ),
)
