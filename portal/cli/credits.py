"""`flask credits`: the ledger."""

import sys

from flask.cli import AppGroup

from portal.cli.answers import say, services
from portal.credits import proof

credits = AppGroup("credits", help="The ledger.")


@credits.command("prove")
def prove_credits() -> None:
    """Adds everything up again; ends with 1 when something disagrees."""
    with services().database.read() as session:
        looked_at, wrong = proof.prove(session)
    for each in wrong:
        say({each.what: each.id, "columns": each.stands, "entries": each.entries})
    say({"wallets": looked_at, "wrong": len(wrong)})
    sys.exit(1 if wrong else 0)
