"""A hold on a wallet that counts, in one statement: the wallet's row is what everybody waits for, for a commit only.

PostgreSQL alone can write the entry of the ledger together with the wallet's move. It is the usual case that goes this
way; what is anything else is told by no row, and nothing was written then.
"""

from datetime import datetime

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

from portal.credits import totals
from portal.models import EntryKind
from portal.models.base import UtcDateTime


def hold(session: Session, wallet_id: int, key: str, message_id: int, amount: int, moment: datetime) -> bool:
    """Sets credits aside out of the bucket that is burned now, and writes the entry.

    False, and nothing written, where that bucket is over or holds too little, the entry is there, or a limit of the
    day counts: whoever asks finds out which, and does it step by step.
    """
    if session.get_bind().dialect.name != "postgresql" or totals.is_moving(session, wallet_id):
        return False
    values = {"wallet": wallet_id, "key": key, "message": message_id, "amount": amount, "moment": moment}
    taken = session.connection().execute(_HOLD, values).first()
    if taken is None:
        return False
    if not taken.written:  # the same hold was written by somebody else at this moment
        totals.move(session, wallet_id, available=amount, held=-amount, hold=totals.Hold(taken.bucket_id, moment))
    return True


_HOLD = text(
    f"""
    WITH taken AS (
        UPDATE wallet SET available = available - :amount, held = held + :amount
        WHERE id = :wallet AND NOT unlimited AND NOT ghl_stops AND day_cap IS NULL
        AND available + overdraft >= :amount AND available - :amount >= later
        AND (bucket_until IS NULL OR bucket_until > :moment)
        AND NOT EXISTS (SELECT 1 FROM ledger_entry WHERE key = :key)
        RETURNING bucket_id
    ), written AS (
        INSERT INTO ledger_entry (wallet_id, key, kind, message_id, available, held, spent, outside, bucket_id,
            who, note, at)
        SELECT :wallet, :key, '{EntryKind.HOLD.value}', :message, -:amount, :amount, 0, 0, taken.bucket_id, '', '',
            :moment
        FROM taken ON CONFLICT (key) DO NOTHING RETURNING id
    )
    SELECT taken.bucket_id, (SELECT count(*) FROM written) AS written FROM taken
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("moment", type_=UtcDateTime()))
