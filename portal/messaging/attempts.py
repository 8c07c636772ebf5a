"""What attempts said over HTTP is kept as long as the bodies of webhooks."""

from datetime import datetime

from sqlalchemy import select, update

from portal.database import Database
from portal.models import Attempt

AT_ONCE = 1000


def forget(database: Database, before: datetime) -> int:
    """Forgets the HTTP of the oldest attempts that ended before the moment; how many, at most `AT_ONCE`."""
    oldest = select(Attempt.id, Attempt.ended_at).where(Attempt.request.is_not(None)).order_by(Attempt.id)
    with database.write() as session:
        rows = session.execute(oldest.limit(AT_ONCE)).all()
        ids = [row.id for row in rows if row.ended_at is not None and row.ended_at < before]
        session.execute(update(Attempt).where(Attempt.id.in_(ids)).values(request=None, response=None))
    return len(ids)
