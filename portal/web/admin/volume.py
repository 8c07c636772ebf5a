"""Messages by hour and day as charts: for the wall, of all that is in scope or of one sub-account."""

from collections.abc import Mapping
from datetime import UTC, datetime

from flask_babel import format_datetime, gettext
from sqlalchemy.orm import Session

from portal import clock
from portal.web.admin.queries import wall
from portal.web.languages import translated
from portal.web.pages.charts import Chart, Series
from portal.web.pages.queries.scope import Scope

SPANS: Mapping[str, str] = {"48h": "48 hours", "30d": "30 days", "90d": "90 days"}
TITLES: Mapping[str, str] = {
    "48h": "Messages of the last 48 hours",
    "30d": "Messages of the last 30 days",
    "90d": "Messages of the last 90 days",
}
HOUR, DAY = 3600, 86400


def chart(session: Session, scope: Scope, span: str, location_id: int | None = None) -> Chart:
    """Of the last 48 hours, or of so many days, in the reader's language. Days begin at midnight UTC."""
    now = int(clock.now().timestamp())
    if span == "48h":
        last = now // HOUR
        found = wall.hours(session, scope, last - 47, last, location_id)
        moments = [datetime.fromtimestamp(each.at * HOUR, UTC) for each in found]
        labels = [format_datetime(at, "d MMM HH:'00'", rebase=False) for at in moments]
        short = [f"{at:%H}" for at in moments]
        head = gettext("Hour (UTC)")
    else:
        last = now // DAY
        found = wall.days(session, scope, last - int(span[:-1]) + 1, last, location_id)
        moments = [datetime.fromtimestamp(each.at * DAY, UTC) for each in found]
        labels = short = [format_datetime(at, "d MMM", rebase=False) for at in moments]
        head = gettext("Day (UTC)")
    series = [
        Series(gettext("To send"), [each.written for each in found], "plain", line=True),
        Series(gettext("Delivered"), [each.delivered for each in found], "good", stack="out"),
        Series(gettext("Failed"), [each.failed for each in found], "bad", stack="out"),
        Series(gettext("Received"), [each.received for each in found], "accent", stack="in"),
    ]
    return Chart(translated(TITLES[span]), head, labels, series, short)
