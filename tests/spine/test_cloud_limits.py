"""What Meta allows a number, through the queue: its pace, what one person may be sent, and a number in the app too.

The stand-in reads the portal's clock, which the test moves: nothing here depends on how fast the machine is.
"""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from portal.channels.base import Line, LineState
from portal.messaging import lines, senders
from portal.messaging.provider_accounts import gates_of
from portal.models import Gate, Message, Sender
from portal.queue import gates
from portal.queue.claim import Limits, claim
from portal.queue.jobs import SEND, release
from portal.queue.turn import Turn
from portal.worker.tasks import handlers
from tests import cloudy
from tests.cloudy import APP_SECRET
from tests.contract.whatsapp_cloud.payloads import ACCOUNT
from tests.portal import Portal
from tests.spine.test_whatsapp_cloud import ANA, TOKEN, Cloud, Graph, serving


class Meta(Graph):
    """Notes when each call came and what it said. `crowded`: from when until when Ana gets too much.

    `one_until`: until then she may have one message and no more.
    """

    def __init__(self, time) -> None:
        super().__init__()
        self.time, self.calls, self.crowded, self.one_until = time, [], [], None

    def take(self, said):
        at, to = self.time.at, said["to"]
        refused = to == ANA.removeprefix("+") and self.is_too_much(at)
        self.calls.append((at, to, said["text"]["body"], refused))
        if refused:
            return {"error": {"code": 131056, "message": "(#131056) pair rate limit hit"}}
        return super().take(said)

    def is_too_much(self, at) -> bool:
        had_one = self.one_until is not None and at < self.one_until and bool(self.got())
        return had_one or any(begin <= at < end for begin, end in self.crowded)

    def got(self, to=ANA) -> list[str]:
        return [body for _, who, body, refused in self.calls if who == to.removeprefix("+") and not refused]

    def refused(self) -> list[str]:
        return [body for *_, body, refused in self.calls if refused]


@pytest.fixture
def cloud(database_url, sandbox, tmp_path, time):
    sandbox.ghl.limit.enforced = False
    graph = Meta(time)
    with serving(graph) as url:
        secrets = {"whatsapp_app_secret": APP_SECRET, "whatsapp_graph_url": url}
        running = Portal(database_url, sandbox, tmp_path, **secrets)
        running.handlers = handlers(running.parts)
        running.install()
        yield Cloud(running, time, graph)
        running.close()


def go_on(cloud, seconds, step=1.0) -> None:
    """Lets so much time pass for the queue, looking at it every `step` seconds of the portal's clock."""
    end = cloud.time.at + timedelta(seconds=seconds)
    while cloud.time.at < end:
        while in_turn(cloud.portal):
            pass
        cloud.time.forward(seconds=step)


def in_turn(portal) -> int:
    """Carries out once what may be sent, lane by lane as the worker does: nothing passes what has to wait."""
    claimed = claim(portal.database, SEND, "a test", Limits(100, 100, 100), {})
    for lane in claimed.lanes:
        turn = Turn(lane)
        portal.parts.outbox.work(turn)
        with portal.database.write() as session:
            release(session, "a test", [due.id for due in turn.left()])
    return len(claimed.lanes)


def test_one_who_is_written_to_too_often_gets_everything_in_order_later(cloud):
    begin = cloud.time.at
    for count in range(3):
        cloudy.send(cloud, f"early {count}", phone=ANA)
    go_on(cloud, 2)
    cloud.graph.crowded = [(cloud.time.at, begin + timedelta(seconds=70))]
    for count in range(4):
        cloudy.send(cloud, f"late {count}", phone=ANA)
    cloudy.send(cloud, "to somebody else", phone="+639175550102")
    go_on(cloud, 65, 2.0)
    assert cloud.graph.got("+639175550102") == ["to somebody else"], "nobody else waits"
    assert cloud.graph.refused() == ["late 0"] * 3, "4, 16, 64 seconds: and what comes next does not pass it"
    go_on(cloud, 40, 2.0)
    early, late = [f"early {count}" for count in range(3)], [f"late {count}" for count in range(4)]
    assert cloud.graph.got() == early + late
    assert cloud.portal.statuses() == {"accepted": 8}


def test_one_that_waited_in_line_for_long_keeps_its_place_too(cloud):
    """What has been in the queue for minutes has not been refused for minutes."""
    begin = cloud.time.at
    cloud.graph.crowded = [(begin, begin + timedelta(seconds=80))]
    cloud.graph.one_until = begin + timedelta(seconds=100)
    for count in range(3):
        cloudy.send(cloud, f"text {count}", phone=ANA)
    go_on(cloud, 180, 2.0)
    assert cloud.graph.got() == ["text 0", "text 1", "text 2"]
    assert cloud.graph.refused() == [*["text 0"] * 3, *["text 1"] * 2]


def paced(cloud, count) -> list:
    """Sends to so many people through a sender with the pace of its number; when the calls came."""
    with cloud.portal.database.write() as session:
        sender = session.get_one(Sender, cloud.sender)
        key = gates_of(sender)[0]
        session.execute(delete(Gate).where(Gate.key == key))
        gates.ensure_exists(session, key, 80.0)
        lines.take_line(session, sender, cloud.line)
    for number in range(count):
        cloudy.send(cloud, "Hello", phone=f"+63917555{number:04}")
    while len(cloud.graph.calls) < count:
        if not in_turn(cloud.portal):
            cloud.time.forward(milliseconds=2)
    return [at for at, *_ in cloud.graph.calls]


@pytest.mark.parametrize("pace", [80, 20])
def test_a_number_sends_as_fast_as_meta_allows_it_and_no_faster(cloud, pace):
    cloud.line = Line(LineState.READY, "CONNECTED", pace=float(pace))
    times = paced(cloud, 60)
    span = (times[-1] - times[0]).total_seconds()
    assert span >= 59 / pace * 0.98, "no faster"
    assert span <= 59 / pace * 2 + 1, "and not held back for nothing"
    for place, at in enumerate(times):
        assert sum(at <= each < at + timedelta(seconds=1) for each in times[place:]) <= pace + 1
    assert {row.status for row in cloud.rows(Message.direction == "out")} == {"accepted"}


def test_a_pace_of_ones_own_stays(cloud):
    def pace(key):
        with cloud.portal.session() as session:
            return session.get_one(Gate, key).pace

    with cloud.portal.database.write() as session:
        sender = session.get_one(Sender, cloud.sender)
        mine = gates_of(sender)[0]
        told = Line(LineState.READY, "CONNECTED", pace=20.0)
        gates.ensure(session, mine, 7.0, 1.0, own=True)
        lines.take_line(session, sender, told)
    assert pace(mine) == 7.0
    with cloud.portal.database.write() as session:
        gates.ensure(session, mine, 0.0, 1.0)
        lines.take_line(session, session.get_one(Sender, cloud.sender), told)
    assert pace(mine) == 0.0, "no limit at all is somebody's wish too"


def test_who_enters_a_pace_has_one_of_their_own(cloud):
    credentials = {"phone_number_id": "106540352242777", "access_token": TOKEN, "waba_id": "7" + ACCOUNT}
    wanted = senders.NewSender("whatsapp_cloud", "paced", credentials, "", pace=40.0)
    with cloud.portal.database.write() as session:
        sender = session.get_one(Sender, cloud.sender)
        added = senders.add(session, cloud.portal.parts.vault, sender.location, wanted)
        lines.take_line(session, added, Line(LineState.READY, "CONNECTED", pace=20.0))
        key = gates_of(added)[0]
    with cloud.portal.session() as session:
        assert session.scalar(select(Gate.pace).where(Gate.key == key)) == 40.0
