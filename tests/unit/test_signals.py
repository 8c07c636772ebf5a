"""A signal that the kernel hands to another thread is heard by the main thread all the same."""

import subprocess
import sys
import textwrap

import pytest

CHILD = """
    import signal, sys, threading, time
    from portal import signals

    ended = {event}()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    {hear}
    other = threading.Thread(target=time.sleep, args=(60,), daemon=True)
    other.start()

    def tell():
        time.sleep(0.3)  # until the main thread waits
        signal.pthread_kill(other.ident, signal.SIGTERM)

    threading.Thread(target=tell, daemon=True).start()
    ended.wait()
    print("heard")
"""


@pytest.mark.parametrize(
    ("event", "hear"), [("threading.Event", "signals.hear()"), ("signals.WakingEvent", "pass")], ids=["hear", "event"]
)
def test_the_main_thread_hears_what_another_thread_was_given(event, hear):
    """Without it the main thread sleeps on, for as long as nothing else wakes it: SIGKILL comes first."""
    script = textwrap.dedent(CHILD).format(event=event, hear=hear)
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert child.stdout == "heard\n"
