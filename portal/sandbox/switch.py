"""What a switch of the fault panel is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portal.sandbox.faults import Effect

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox


@dataclass(frozen=True, slots=True)
class Switch:
    """One fault of the panel. `does` and `expect` are sentences for a person.

    `turn(sandbox, on, times)` switches it, `times` None for until switched off; `is_on` tells how it stands.
    `counted` faults can strike just the next call; `momentary` ones happen once, now.
    """

    name: str
    group: str
    title: str
    does: str
    expect: str
    turn: Callable[["Sandbox", bool, int | None], None]
    is_on: Callable[["Sandbox"], bool]
    counted: bool = False
    momentary: bool = False


def rule(
    name: str,
    group: str,
    title: str,
    does: str,
    expect: str,
    where: str,
    effect: Effect,
    *,
    status: int = 500,
    seconds: float = 30.0,
    retry_after: int | None = None,
) -> Switch:
    """A switch that arms one fault rule."""

    def turn(sandbox: "Sandbox", on: bool, times: int | None) -> None:
        sandbox.faults.disarm(name)
        if on:
            sandbox.faults.arm(
                where, effect, times=times, status=status, seconds=seconds, retry_after=retry_after, name=name
            )

    def is_on(sandbox: "Sandbox") -> bool:
        return any(rule.name == name for rule in sandbox.faults.armed())

    return Switch(name, group, title, does, expect, turn, is_on, counted=True)
