"""The portal with one channel more, run as a module in place of `app.py`: a provider that knows no idempotency keys.

Most providers know none. A call to one whose answer is lost is never made again without a person's say-so.
"""

import faulthandler
import signal
from collections.abc import Sequence
from dataclasses import replace

from portal.channels import registry
from portal.channels.base import Accepted, Account, Outgoing
from portal.channels.cast.client import Cast
from portal.http import HttpClient

KIND = "plain"


class Plain(Cast):
    """Cast's API without its keys."""

    kind = KIND
    name = "A provider without keys"
    idempotent = False

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """One POST, which the provider cannot tell from another one like it."""
        return super().send(http, account, replace(part, idempotency_key=""))


def register(more: Sequence[Cast]) -> None:
    """Makes further channels known to this process and to those that it forks."""
    registry._CHANNELS = (*registry._CHANNELS, *more)
    registry._BY_KIND.update({channel.kind: channel for channel in more})


register([Plain()])
# `kill -USR1` writes what every thread is at into the log: for a process that hangs in a drill.
faulthandler.register(signal.SIGUSR1)

if __name__ == "__main__":
    from portal.serve import main

    main()
else:
    from portal import create_app

    app = create_app()  # where `flask` finds it
