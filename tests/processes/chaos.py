"""What goes wrong during the drill: a provider and a HighLevel that err in all ways, tokens that end, and kill -9."""

import os
import random
import signal
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portal.sandbox import Sandbox
from portal.sandbox import world as demo
from tests.portal import eventually
from tests.processes.harness import Deployment, Process, status
from tests.processes.scale import Scale

# Before and after the message is taken; which of them leave open whether it was is in `LOST`.
PROVIDER = (
    {"effect": "status", "status": 429, "retry_after": 1},
    {"effect": "status_after", "status": 500},
    {"effect": "half_answer"},
    {"effect": "reset_before"},
    {"effect": "status", "status": 500},
    {"effect": "reset_after"},
    {"effect": "slow", "seconds": 1.0},
)
LOST = ("status_after:500", "status:500", "half_answer", "reset_before", "reset_after", "silence", "silence_before")
HIGHLEVEL = (
    {"effect": "status", "status": 429, "retry_after": 1},
    {"effect": "half_answer"},
    {"effect": "reset_before"},
    {"effect": "status_after", "status": 502},
    {"effect": "reset_after"},
    {"effect": "status", "status": 503},
)
OUTCOMES = ("undelivered", "failed", "stuck", "rejected")
# One process and its children; all processes; a parent alone; a child alone, which its parent has to replace.
WAYS = {"one": 8, "all": 4, "parent": 4, "child": 4}


def arm(sandbox: Sandbox, scale: Scale, chance: random.Random) -> None:
    """The provider and HighLevel err again and again, at random distances."""
    faults = [dict(PROVIDER[number % len(PROVIDER)]) for number in range(scale.faults - scale.silences)]
    silences = ({"effect": "silence"}, {"effect": "silence_before"})
    faults += [silences[number % 2] | {"seconds": scale.silence} for number in range(scale.silences)]
    chance.shuffle(faults)
    for fault in faults:
        sandbox.faults.arm("cast.send", skip=chance.randrange(2 * scale.fault_every - 1), **fault)
    for number in range(scale.faults // 3):
        fault = HIGHLEVEL[number % len(HIGHLEVEL)]
        sandbox.faults.arm("ghl.update_status", skip=chance.randrange(2 * scale.fault_every), **fault)
    for number in range(scale.writers):
        fault = HIGHLEVEL[number % len(HIGHLEVEL)]
        sandbox.faults.arm("ghl.add_inbound", skip=chance.randrange(2 * scale.texts), **fault)


def decide_outcomes(sandbox: Sandbox, contacts: Sequence[demo.Contact]) -> None:
    """Some contacts' messages do not arrive, some never get a last word."""
    for place, outcome in enumerate(OUTCOMES):
        for contact in contacts[place::20]:
            sandbox.cast.decide(contact.phone, outcome)


@dataclass(frozen=True, slots=True)
class Kill:
    """When (unix seconds), how, whom, and after how many seconds the killed were serving or working again."""

    at: float
    how: str
    whom: str
    ready_after: float


class Chaos(threading.Thread):
    """Kills at random moments and starts again what was killed, while the load lasts and while its rest is worked off.

    `progress` says how much of the load is answered, from 0 to 1.
    """

    def __init__(
        self, deployment: Deployment, scale: Scale, chance: random.Random, progress: Callable[[], float]
    ) -> None:
        super().__init__(name="chaos", daemon=True)
        self.kills: list[Kill] = []
        self.error: Exception | None = None
        self._deployment = deployment
        self._scale = scale
        self._chance = chance
        self._progress = progress

    def run(self) -> None:
        try:
            during = self._scale.kills * 3 // 4
            renewals = set(self._chance.sample(range(self._scale.kills), self._scale.renewals))
            for number in range(self._scale.kills):
                self._wait_for((number + self._chance.uniform(0.1, 0.9)) / during)
                if number in renewals:
                    self._deployment.sandbox.ghl.grants.expire_access_tokens()
                self._strike(self._chance.choices(list(WAYS), list(WAYS.values()))[0])
        except Exception as error:
            self.error = error

    def finish(self) -> list[Kill]:
        """Waits for the last restart."""
        self.join(300)
        if self.error is not None:
            raise self.error
        assert len(self.kills) == self._scale.kills
        return self.kills

    def words(self) -> str:
        """The kills in short."""
        ready = [kill.ready_after for kill in self.kills]
        return (
            f"{len(self.kills)} kills ({', '.join(f'{kill.how} {kill.whom}' for kill in self.kills)}),"
            f" back after {statistics.median(ready):.1f} s in the middle and {max(ready):.1f} s at most"
        )

    def _wait_for(self, place: float) -> None:
        if place < 1:
            eventually(lambda: self._progress() >= place, what="progress")
            time.sleep(self._chance.uniform(0, 0.3))
        else:
            time.sleep(self._chance.uniform(0.5, 5))

    def _strike(self, how: str) -> None:
        living = [process for process in self._deployment.processes if process.alive]
        if how == "child":
            self._kill_a_child(self._chance.choice([process for process in living if process.role != "worker"]))
            return
        victims = living if how == "all" else [self._chance.choice(living)]
        for victim in victims:
            if how == "parent":
                victim.kill_parent()
            else:
                victim.kill()
        at = time.time()
        time.sleep(self._chance.choice((0, self._chance.uniform(0, 2))))
        for process in [self._deployment.launch(victim.role, PORT=victim.port) for victim in victims]:
            process.wait_ready()
        self._note(at, how, "+".join(victim.role for victim in victims))

    def _kill_a_child(self, parent: Process) -> None:
        before = parent.children()
        os.kill(self._chance.choice(before), signal.SIGKILL)
        at = time.time()
        eventually(lambda: set(parent.children()) - set(before), what="a new child")
        eventually(lambda: status(f"{parent.url}/livez") == 200, what="a new child that serves")
        self._note(at, "child", parent.role)

    def _note(self, at: float, how: str, whom: str) -> None:
        self.kills.append(Kill(at, how, whom, time.time() - at))
