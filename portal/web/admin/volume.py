"""Messages by hour and day as charts: for the wall, of all that is in scope or of one sub-account."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from portal import clock
from portal.web.admin.queries import wall
from portal.web.pages.charts import Chart, Series
from portal.web.pages.queries.scope import Scope

SPANS = {"48h": "48 hours", "30d": "30 days", "90d": "90 days"}
HOUR, DAY = 3600, 86400


def chart(session: Session, scope: Scope, span: str, location_id: int | None = None) -> Chart:
    """Of the last 48 hours, or of so many days. Days begin at midnight UTC."""
    now = int(clock.now().timestamp())
    if span == "48h":
        last = now // HOUR
        found = wall.hours(session, scope, last - 47, last, location_id)
        moments = [datetime.fromtimestamp(each.at * HOUR, UTC) for each in found]
        labels, short = [f"{at:%-d %b %H:00}" for at in moments], [f"{at:%H}" for at in moments]
        head = "Hour (UTC)"
    else:
        last = now // DAY
        found = wall.days(session, scope, last - int(span[:-1]) + 1, last, location_id)
        moments = [datetime.fromtimestamp(each.at * DAY, UTC) for each in found]
        labels = short = [f"{at:%-d %b}" for at in moments]
        head = "Day (UTC)"
    series = [
        Series("To send", [each.written for each in found], "plain", line=True),
        Series("Delivered", [each.delivered for each in found], "good", stack="out"),
        Series("Failed", [each.failed for each in found], "bad", stack="out"),
        Series("Received", [each.received for each in found], "accent", stack="in"),
    ]
    return Chart(f"Messages of the last {SPANS[span]}", head, labels, series, short)
