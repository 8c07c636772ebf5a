"""Killed at random moments under load beside a provider that errs in all ways: nothing lost or doubled, in order.

`DRILL=full` makes it large, `DRILL_SEED` repeats the choices of a run: `make drill` does the first.
"""

import os
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from portal.sandbox import Progress
from portal.sandbox import world as demo
from portal.sandbox.server import Server
from tests import postgres
from tests.processes.aftermath import Aftermath
from tests.processes.chaos import Chaos, arm, decide_outcomes
from tests.processes.harness import Deployment, Spread, free_port, people
from tests.processes.load import Load, Readers, Writers
from tests.processes.scale import IS_FULL, SCALE, SEED

# So many locations with each kind of sender: HighLevel's limit is per location.
CHANNELS = {"cast": 4, "plain": 3, "simulator": 1}
# Numbers whose last digits the simulator takes for nothing special.
FIRST_OF_SIMULATOR = 5000
# Flask compiles its routes, and Python 3.11 fails when two threads compile at the same moment (SystemError, "AST
# constructor recursion depth mismatch").
_MAKING = threading.Lock()
ROLES = {
    "sqlite": ("all",),
    "postgresql": ("all",),
    "two web and two workers": ("web", "web", "worker", "worker"),
}


@dataclass(frozen=True, slots=True)
class Story:
    """One portal with its world."""

    name: str
    deployment: Deployment
    sandbox: Spread
    server: Server
    chance: random.Random


def begin(name: str, folder: Path, database_url: str) -> Story:
    """A world that is not limited, and the portal's processes, started."""
    with _MAKING:
        sandbox = Spread(keep=500_000)
        server = sandbox.serve(0)
    sandbox.ghl.limit.most = 1_000_000
    sandbox.cast.progress = Progress(sent_after=0.2, final_after=0.6)
    deployment = Deployment(sandbox, folder, database_url, module="tests.processes.plain")
    ports = {number: free_port() for number in range(1, len(ROLES[name]))} | {0: deployment.port}
    started = [deployment.launch(role, PORT=str(ports[number])) for number, role in enumerate(ROLES[name])]
    for process in started:
        process.wait_ready()
    sandbox.spread_over([process.url for process in started if process.role != "worker"])
    return Story(name, deployment, sandbox, server, random.Random(f"{SEED} {name}"))


def settle_in(story: Story) -> dict[str, str]:
    """Locations with a sender each: which channel serves which, and the simulator's webhook address."""
    channels: dict[str, str] = {}
    for channel, count in CHANNELS.items():
        places = [story.sandbox.world.add_location(f"{channel} {number}") for number in range(count)]
        added = story.deployment.prepare(*places, channel=channel)
        channels |= {place.id: channel for place in places}
        if channel == "simulator":
            channels["webhook_url"] = added[0]["webhook_url"]
    return channels


def contacts_of(story: Story, channels: dict[str, str]) -> Sequence[demo.Contact]:
    """Contacts over all locations; some outcomes are decided."""
    places = [story.sandbox.world.locations[id_] for id_, channel in channels.items() if channel != "simulator"]
    simulated = [story.sandbox.world.locations[id_] for id_, channel in channels.items() if channel == "simulator"]
    some = SCALE.contacts // 8
    usual = people(story.sandbox, places, SCALE.contacts - some)
    decide_outcomes(story.sandbox, usual)
    mixed = usual + people(story.sandbox, simulated, some, FIRST_OF_SIMULATOR)
    story.chance.shuffle(mixed)
    return mixed


def live_through(story: Story) -> None:
    """Load and kills, then the checks. The figures are printed."""
    deployment = story.deployment
    channels = settle_in(story)
    webhook_url = channels.pop("webhook_url")
    contacts = contacts_of(story, channels)
    arm(story.sandbox, SCALE, story.chance)
    theirs = [contact for contact in contacts if channels[contact.location_id] == "simulator"]
    load = Load(deployment, contacts, SCALE.ids)
    writers = Writers(deployment, webhook_url, theirs[: SCALE.writers], SCALE.texts)
    readers = Readers(deployment, webhook_url)
    chaos = Chaos(deployment, SCALE, story.chance, lambda: load.answered() / load.count)
    for thread in (readers, chaos):
        thread.start()
    sent = load.finish()
    kills = chaos.finish()
    writers.finish()
    after = Aftermath(deployment, sent, writers.said, readers.read, kills, channels)
    after.facts.append(chaos.words())
    after.await_rest(SCALE.patience)
    readers.finish()
    after.await_rest(SCALE.patience)
    try:
        after.check()
    finally:
        print("\n  ".join([f"\n{story.name}, seed {SEED}:", *after.facts]))


def run(name: str, folder: Path, database_url: str) -> None:
    """One portal's whole story, in a world of its own."""
    story = begin(name, folder, database_url)
    try:
        live_through(story)
    except Exception as error:
        error.add_note(f"{name}, DRILL_SEED={SEED}, logs in {folder}")
        raise
    finally:
        story.deployment.close()
        story.server.stop()


@pytest.fixture(scope="module")
def stories(request, tmp_path_factory):
    """Small ones side by side, because most of their time goes by waiting for the leases of the killed."""
    wanted = {item.callspec.params["name"] for item in request.session.items if item.module is request.module}
    urls = {}
    if "sqlite" in wanted:
        urls["sqlite"] = f"sqlite:///{tmp_path_factory.mktemp('database') / 'portal.db'}"
    if not postgres.missing() or os.environ.get("REQUIRE_POSTGRES"):
        server = request.getfixturevalue("postgres_server")
        urls |= {name: server.create_database("kills") for name in ROLES if name in wanted and name != "sqlite"}
    with ThreadPoolExecutor(1 if IS_FULL else 3) as pool:
        yield {name: pool.submit(run, name, tmp_path_factory.mktemp("kills"), url) for name, url in urls.items()}
    if len(urls) > ("sqlite" in urls):
        if isinstance(server, postgres.Cluster):  # says who waited for whom in a deadlock
            (tmp_path_factory.mktemp("postgres") / "log").write_text(server.log())
        for url in urls.values():
            if url.startswith("postgresql"):
                server.drop_database(url)


ON_POSTGRES = [pytest.param(name, marks=pytest.mark.postgres) for name in ROLES if name != "sqlite"]


@pytest.mark.parametrize("name", ["sqlite", *ON_POSTGRES])
def test_kills_under_load_lose_nothing_and_send_nothing_twice(stories, name):
    if name not in stories:
        pytest.skip(postgres.missing())
    stories[name].result()
