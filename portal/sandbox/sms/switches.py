"""What can go wrong at the stand-in SMS providers, as switches of the fault panel: each strikes all of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from portal.sandbox.faults import Effect
from portal.sandbox.sms.messages import DELIVERED, REJECTED, STUCK
from portal.sandbox.switch import Switch

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

SMS = "The other SMS providers"
COPIES, SLOW_SECONDS = 3, 3.0

Turn = Callable[["Sandbox", bool, int | None], None]
Look = Callable[["Sandbox"], bool]


def _set(name: str, on_value: object, off_value: object) -> tuple[Turn, Look]:
    def turn(sandbox: "Sandbox", on: bool, _: int | None) -> None:
        for provider in sandbox.sms.values():
            setattr(provider, name, on_value if on else off_value)

    return turn, lambda sandbox: any(getattr(each, name) == on_value for each in sandbox.sms.values())


def _ends(outcome: str) -> tuple[Turn, Look]:
    def turn(sandbox: "Sandbox", on: bool, _: int | None) -> None:
        for provider in sandbox.sms.values():
            provider.progress = replace(provider.progress, outcome=outcome if on else DELIVERED)

    return turn, lambda sandbox: any(each.progress.outcome == outcome for each in sandbox.sms.values())


def _rule(name: str, effect: Effect, status: int = 500, retry_after: int | None = None) -> tuple[Turn, Look]:
    def turn(sandbox: "Sandbox", on: bool, times: int | None) -> None:
        sandbox.faults.disarm(name)
        for kind in sandbox.sms if on else ():
            sandbox.faults.arm(
                f"{kind}.send", effect, times=times, status=status, retry_after=retry_after, seconds=40.0, name=name
            )

    return turn, lambda sandbox: any(rule.name == name for rule in sandbox.faults.armed())


def _switch(name: str, title: str, does: str, expect: str, how: tuple[Turn, Look], *, counted: bool = False) -> Switch:
    return Switch(name, SMS, title, does, expect, how[0], how[1], counted=counted)


SMS_SWITCHES: tuple[Switch, ...] = (
    _switch(
        "sms_429",
        "429, too many requests",
        "The provider takes nothing and asks for a pause of 5 seconds.",
        "The sender pauses that long and the message goes out once, later.",
        _rule("sms_429", Effect.STATUS, 429, 5),
        counted=True,
    ),
    _switch(
        "sms_half_answer",
        "Half an answer",
        "The provider takes the message, sends half of its answer and hangs up.",
        "The outcome is unknown, and nothing is sent again: the receipt that names our call settles it.",
        _rule("sms_half_answer", Effect.HALF_ANSWER),
        counted=True,
    ),
    _switch(
        "sms_silence",
        "Silence",
        "The provider takes the message and says nothing for 40 seconds.",
        "After 25 seconds the call is given up as unknown, unless a receipt has settled it before.",
        _rule("sms_silence", Effect.SILENCE),
        counted=True,
    ),
    _switch(
        "sms_rejects",
        "The carrier rejects",
        "The provider takes the message; the carrier refuses it moments later.",
        "GHL shows it as failed with the reason, and the credit comes back.",
        _ends(REJECTED),
    ),
    _switch(
        "sms_stuck",
        "The carrier never says",
        "The message stays at “sent” and no last word ever comes.",
        "GHL never hears “delivered” without evidence: the message stays pending there.",
        _ends(STUCK),
    ),
    _switch(
        "sms_copies",
        "Duplicate receipts",
        f"Every receipt is posted {COPIES} times.",
        "Each of them is answered 200, and the status moves once.",
        _set("copies", COPIES, 1),
    ),
    _switch(
        "sms_shuffled",
        "Receipts out of order",
        "“delivered” is posted before “sent”.",
        "A late “sent” takes nothing back.",
        _set("shuffled", True, False),
    ),
    _switch(
        "sms_delay",
        "Slow receipts",
        f"Each receipt is {SLOW_SECONDS:.0f} seconds late.",
        "The status is asked for meanwhile, where the provider can be asked.",
        _set("delay", SLOW_SECONDS, 0.0),
    ),
    _switch(
        "sms_lost",
        "Lost receipts",
        "No receipt is posted, ever.",
        "The status is polled where the provider can be asked; elsewhere the message stays “sent, no receipt”.",
        _set("lost", True, False),
    ),
    _switch(
        "sms_deaf",
        "Nothing is posted",
        "Neither receipts nor texts are posted until this is lifted; then they all come.",
        "What was late is taken as if it had been in time.",
        _set("deaf", True, False),
    ),
)
