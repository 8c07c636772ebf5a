"""A WhatsApp line under kill -9 while HighLevel is slow and errs: what GREEN-API was answered 200 for is never lost.

Every notification comes twice, most of what is sent echoes back, and customers, the agent and the owner of the phone
write at the same time.
"""

import random
import time
from collections import defaultdict

import pytest

from portal.sandbox import world as demo
from portal.sandbox.ghl.grants import Owner
from portal.sandbox.green_api import people
from portal.sandbox.green_api.instances import Instance, Progress
from tests.portal import eventually
from tests.processes.chaos import HIGHLEVEL
from tests.processes.harness import people as contacts_of
from tests.processes.scale import IS_FULL, SEED
from tests.processes.under_kills import under_kills, waiting

PLACE = demo.DEMO_LOCATIONS[0]
CUSTOMERS, WRITTEN, SENT, TYPED, KILLS = (80, 2000, 200, 80, 8) if IS_FULL else (20, 240, 40, 12, 3)
A_SECOND = 100
# HighLevel takes ten messages a second from one sub-account.
PATIENCE = 900 if IS_FULL else 180
# The provider lets nothing wait behind what is not answered for longer than this; 60 in truth.
AGAIN = 0.3


@pytest.fixture
def line(deployment, world):
    """A portal's process with one WhatsApp line, whose webhook stands in the line's settings."""
    green = world.green
    green.enforced, green.settings_after, green.restart_seconds, green.again_after = False, 0.0, 0.0, AGAIN
    green.copies, green.progress, green.keep = 2, Progress(0.0, 0.2, 0.4), 100_000
    instance = green.add(Instance(f"7103{SEED:06d}", "t" * 50, "+639171110009", location_id=PLACE.id))
    instance.received = type(instance.received)(maxlen=100_000)
    running = deployment.start()
    deployment.install(Owner(PLACE.company_id, PLACE.id))
    words = ["--api-url", world.url, "--set", f"id_instance={instance.id}", "--set", f"api_token={instance.token}"]
    deployment.flask("sender", "add", "--location", PLACE.id, "--channel", "green_api", "--pace", "1000", *words)
    eventually(lambda: instance.settings_at(world.clock())["webhookUrl"] and not deployment.jobs(), what="the webhook")
    return instance, running


def test_what_a_line_was_answered_for_is_never_lost_nor_doubled(deployment, world, line):
    instance, running = line
    chance = random.Random(SEED)
    contacts = contacts_of(world, [PLACE], CUSTOMERS)
    for contact in contacts[::10]:
        world.green.decide(contact.phone, "noAccount")
    world.faults.arm("ghl.*", "slow", seconds=0.1, times=200)
    for number in range(24):
        fault = HIGHLEVEL[number % len(HIGHLEVEL)]
        world.faults.arm("ghl.add_inbound", skip=chance.randrange(WRITTEN // 2), **fault)
    said = defaultdict(list)

    def write() -> None:
        for number in range(WRITTEN):
            contact = contacts[number % CUSTOMERS]
            text = f"Text {number} of {contact.phone}"
            said[contact.phone].append(text)
            people.write(world, instance, contact.phone, text=text, name="A customer")
            if number % (WRITTEN // TYPED) == 0:
                people.write(world, instance, contact.phone, text=f"Typed {number}", by="phone")
            time.sleep(1 / A_SECOND)

    deliveries = under_kills(deployment, running, write, contacts, kills=KILLS, sends=SENT, pause=0.05, chance=chance)
    notifier = world.green.notifier(instance)
    eventually(lambda: not notifier.queue and not notifier.later, PATIENCE, "every notification answered 200")
    eventually(lambda: not waiting(deployment, "check_line", "check_status"), PATIENCE, "nothing left to do")

    shown = world.ghl.mailbox.messages(direction="inbound")
    by_phone = defaultdict(list)
    for message in shown:
        by_phone[message.text.rpartition(" ")[2]].append(message.text)
    assert dict(by_phone) == dict(said), "each once, in the order of writing"
    outbound = [one.text for one in world.ghl.mailbox.messages(direction="outbound")]
    assert len(outbound) == len(set(outbound)), "our own echo is no second line"
    logged = [one.text for one in world.ghl.mailbox.messages(direction="outbound") if one.text.startswith("Typed")]
    assert sorted(logged) == sorted(f"Typed {number}" for number in range(0, WRITTEN, WRITTEN // TYPED))
    assert world.green.repeats() == {}, "nothing went out twice"
    check_statuses(deployment, world, deliveries)
    complaints = deployment.complaints()
    assert not complaints, "\n".join(complaints)


def check_statuses(deployment, world, deliveries) -> None:
    """HighLevel shows what became of each message; `unknown` is only what was in a killed process's hands."""
    ours = {each["ghl_message_id"]: each for each in deployment.messages() if each["direction"] == "out"}
    unknown = [each for each in ours.values() if each["status"] == "unknown"]
    assert len(unknown) <= KILLS * 12, "no more than the calls in flight"
    assert all(delivery.taken for delivery in deliveries)
    missing = [delivery for delivery in deliveries if delivery.message.id not in ours]
    assert missing == [], deployment.tails()
    for delivery in deliveries:
        message = world.ghl.mailbox.get(delivery.message.id)
        status = ours[delivery.message.id]["status"]
        ends = world.green.outcomes.get(demo.number_key(delivery.payload["phone"]), "")
        if ends == "noAccount":
            assert "delivered" not in [change.status for change in message.history], message
            assert status in ("failed", "unknown")
        else:
            assert status in ("delivered", "unknown"), (status, message)
