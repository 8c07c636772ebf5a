"""From a day to the place in a list where it begins: ids grow with time, so a few look-ups by id find it."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session


def first_since(session: Session, id_: Any, at: Any, moment: datetime) -> int:
    """The smallest id, as far as ids and moments grow together, whose row is not older than the moment.

    One beyond the last where all are older. At most two look-ups of one row for each binary digit of the ids.
    """
    low = session.scalar(select(id_).order_by(id_).limit(1))
    high = session.scalar(select(id_).order_by(id_.desc()).limit(1))
    if low is None or high is None:
        return 0
    high += 1
    while low < high:
        middle = (low + high) // 2
        row = session.execute(select(id_, at).where(id_ >= middle).order_by(id_).limit(1)).first()
        if row is None or row[1] >= moment:
            high = middle
        else:
            low = row[0] + 1
    return int(low)
