"""A worker's sign of life is given while its dispatchers turn, and stops when one of them is stuck."""

import time

from portal.worker import runner as running
from portal.worker.heartbeat import FILE, Heartbeat
from portal.worker.runner import Pool, Runner
from portal.worker.wakeups import Wakeups


def test_only_a_worker_that_turns_gives_a_sign(tmp_path):
    for turning in (False, True):
        heartbeat = Heartbeat(tmp_path, lambda turning=turning: turning)
        heartbeat.stop()
        heartbeat.run()
        assert (tmp_path / FILE).exists() is turning


def test_a_folder_that_is_gone_does_not_end_it(tmp_path):
    heartbeat = Heartbeat(tmp_path / "gone", lambda: True)
    heartbeat.stop()
    heartbeat.run()


def test_one_stuck_dispatcher_is_enough():
    pools = (Pool("apply", 1, 1, 1), Pool("send", 1, 1, 1))
    runner = Runner(None, Wakeups(), pools, {}, {}, {})
    now = time.monotonic()
    runner._turned_at = {"apply": now, "send": now}
    assert runner.turning()
    runner._turned_at["send"] = now - running.STUCK_SECONDS - 1
    assert not runner.turning()
