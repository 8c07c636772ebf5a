"""The portal of the drills, less patient: leases of killed processes end sooner, and lost charges are believed sooner.

Run as a module in place of `app.py`. Both are only how long one waits, never what is done then.
"""

from datetime import timedelta

from portal.messaging import wallet_charges
from portal.queue import claim
from portal.worker import runner
from tests.processes import plain  # noqa: F401 - its channel, which sends without keys

claim.LEASE = timedelta(seconds=9)
runner.RENEW_EVERY = 2.5
wallet_charges.BELIEVED_AFTER = timedelta(seconds=4)

if __name__ == "__main__":
    from portal.serve import main

    main()
else:
    from portal import create_app

    app = create_app()  # where `flask` finds it
