"""A WhatsApp Cloud number under kill -9, while Meta loses answers, posts in batches and repeats: nothing is lost or
doubled, and whatever Meta took is known to be taken in the end, by the key that comes back with its status.
"""

import random
import time
from collections import defaultdict

import pytest

from portal.sandbox import Effect
from portal.sandbox import world as demo
from portal.sandbox.ghl.grants import Owner
from portal.sandbox.whatsapp_cloud import people
from portal.sandbox.whatsapp_cloud.numbers import Number, Progress
from tests.portal import eventually
from tests.processes.harness import people as contacts_of
from tests.processes.scale import IS_FULL, SEED
from tests.processes.under_kills import under_kills, waiting

PLACE = demo.DEMO_LOCATIONS[0]
CUSTOMERS, WRITTEN, SENT, KILLS = (80, 1500, 400, 8) if IS_FULL else (15, 150, 60, 3)
# HighLevel takes ten messages a second from one sub-account.
PATIENCE = 900 if IS_FULL else 180
LOST = (Effect.STATUS_AFTER, Effect.RESET_AFTER, Effect.HALF_ANSWER)


@pytest.fixture
def number(deployment, world):
    """A portal's process with one number of its own app, whose customers have all written once."""
    cloud = world.cloud
    cloud.limits.enforced, cloud.again_after, cloud.progress = False, 0.2, Progress(0.0, 0.2, 0.4)
    cloud.copies, cloud.batch, cloud.gather, cloud.keep = 2, 5, 0.05, 100_000
    secrets = {"WHATSAPP_APP_SECRET": demo.CLOUD_APP_SECRET, "WHATSAPP_WEBHOOK_TOKEN": demo.CLOUD_VERIFY_TOKEN}
    deployment.environment.update(secrets, WHATSAPP_GRAPH_URL=f"{world.url}/v26.0")
    made = Number(f"10654035{SEED:07d}", demo.CLOUD_ACCOUNT, "+639171110077", location_id=PLACE.id)
    cloud.numbers[made.id] = made
    running = deployment.start()
    deployment.install(Owner(PLACE.company_id, PLACE.id))
    given = {"phone_number_id": made.id, "access_token": demo.CLOUD_TOKEN, "waba_id": demo.CLOUD_ACCOUNT}
    words = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
    url = ["--api-url", f"{world.url}/v26.0"]
    deployment.flask(
        "sender", "add", "--location", PLACE.id, "--channel", "whatsapp_cloud", "--pace", "1000", *url, *words
    )
    return made, running


def test_what_meta_was_answered_for_is_never_lost_nor_doubled(deployment, world, number):
    made, running = number
    chance = random.Random(SEED)
    contacts = contacts_of(world, [PLACE], CUSTOMERS)
    said = defaultdict(list)

    def hear(contact, text) -> None:
        said[contact.phone].append(text)
        people.write(world, made, contact.phone, text=text, name="A customer")

    for contact in contacts:
        hear(contact, f"First of {contact.phone}")
    eventually(lambda: len(world.ghl.mailbox.messages(direction="inbound")) == CUSTOMERS, PATIENCE, "all have written")
    for place in range(SENT // 5):
        world.faults.arm("cloud.messages", LOST[place % len(LOST)], times=1, skip=chance.randrange(SENT), status=502)

    def write() -> None:
        for place in range(WRITTEN):
            contact = contacts[place % CUSTOMERS]
            hear(contact, f"Text {place} of {contact.phone}")
            time.sleep(0.02)

    deliveries = under_kills(deployment, running, write, contacts, kills=KILLS, sends=SENT, pause=0.1, chance=chance)
    poster = world.cloud.poster
    eventually(lambda: not poster.count and not poster.later, PATIENCE, "every webhook answered 200")
    eventually(lambda: not waiting(deployment, "check_line", "sync_templates"), PATIENCE, "nothing left to do")

    by_phone = defaultdict(list)
    for message in world.ghl.mailbox.messages(direction="inbound"):
        by_phone[message.text.rpartition(" ")[2]].append(message.text)
    # Meta's own order is lost where it repeats what nobody answered.
    assert {phone: sorted(texts) for phone, texts in by_phone.items()} == {
        phone: sorted(texts) for phone, texts in said.items()
    }
    assert world.cloud.repeats() == {}, "nothing went out twice"
    check_statuses(deployment, world, made, deliveries)
    complaints = deployment.complaints()
    assert not complaints, "\n".join(complaints)


def check_statuses(deployment, world, made, deliveries) -> None:
    """Whatever Meta took is told as delivered; `unknown` is only what never reached it, and that is in few hands."""
    assert all(delivery.taken for delivery in deliveries)
    ours = {each["ghl_message_id"]: each for each in deployment.messages() if each["direction"] == "out"}
    taken = {one.text for one in made.sent.values()}
    unknown = []
    for delivery in deliveries:
        message = world.ghl.mailbox.get(delivery.message.id)
        status = ours[delivery.message.id]["status"]
        if message.text in taken:
            assert (status, message.status) == ("delivered", "delivered"), (status, message)
        else:
            assert status == "unknown" and message.status == "pending", (status, message)
            unknown.append(message.text)
    assert len(unknown) <= KILLS * 12, "no more than the calls in flight"
    assert deployment.flask("credits", "prove")
