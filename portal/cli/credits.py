"""`flask credits`: the ledger."""

import sys

from flask.cli import AppGroup

from portal.cli.answers import say, services
from portal.credits import ledger

credits = AppGroup("credits", help="The ledger.")


@credits.command("prove")
def prove_credits() -> None:
    """Adds every wallet's entries up again; ends with 1 when one disagrees."""
    with services().database.read() as session:
        looked_at, wrong = ledger.prove(session)
    for proof in wrong:
        say({"wallet": proof.wallet_id, "columns": proof.wallet, "entries": proof.entries})
    say({"wallets": looked_at, "wrong": len(wrong)})
    sys.exit(1 if wrong else 0)
