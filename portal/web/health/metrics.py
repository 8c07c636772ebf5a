"""The portal's figures in Prometheus' text format, read from the database at the time of asking."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from portal import clock
from portal.models import Alert, Event, EventState, Gate, Job, Message, Sender, SenderState, Status
from portal.services import Services

_OPEN = (Status.QUEUED, Status.HELD, Status.SENDING, Status.UNKNOWN)


class _Figures(Collector):
    def __init__(self, parts: Services) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        spool = GaugeMetricFamily("sendero_spool_bytes", "Bytes of webhooks that wait in the spool of this machine")
        spool.add_metric([], self._parts.spool.size())
        yield spool
        up = GaugeMetricFamily("sendero_database_up", "1 while the database answers")
        try:
            figures = list(self._from_database())
        except (SQLAlchemyError, TimeoutError):
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from figures

    def _from_database(self) -> Iterator[Metric]:
        with self._parts.database.read() as session:
            jobs = GaugeMetricFamily("sendero_jobs", "Jobs in the queue", labels=["pool", "kind"])
            for pool, kind, count in session.execute(
                select(Job.pool, Job.kind, func.count()).group_by(Job.pool, Job.kind)
            ):
                jobs.add_metric([pool, kind], count)
            yield jobs
            age = GaugeMetricFamily("sendero_oldest_due_seconds", "Age of the oldest due job")
            oldest = session.scalar(select(func.min(Job.run_at)).where(Job.run_at <= clock.now()))
            age.add_metric([], (clock.now() - oldest).total_seconds() if oldest else 0)
            yield age
            messages = GaugeMetricFamily("sendero_open_messages", "Outbound messages not out yet", labels=["status"])
            open_ = select(Message.status, func.count()).where(Message.status.in_(_OPEN)).group_by(Message.status)
            for status, count in session.execute(open_):
                messages.add_metric([status], count)
            yield messages
            parked = GaugeMetricFamily("sendero_parked_events", "Webhooks set aside for a person")
            waiting = select(func.count()).select_from(Event).where(Event.state == EventState.PARKED)
            parked.add_metric([], session.scalar(waiting) or 0)
            yield parked
            blocked = GaugeMetricFamily("sendero_blocked_gates", "Senders and locations held back by a fault")
            shut = select(func.count()).select_from(Gate).where(Gate.blocked_until > clock.now())
            blocked.add_metric([], session.scalar(shut) or 0)
            yield blocked
            senders = GaugeMetricFamily("sendero_senders", "Senders by state", labels=["channel", "state"])
            for channel, state, count in session.execute(
                select(Sender.channel, Sender.state, func.count())
                .where(Sender.state != SenderState.REMOVED)
                .group_by(Sender.channel, Sender.state)
            ):
                senders.add_metric([channel, state], count)
            yield senders
            lines = GaugeMetricFamily("sendero_lines", "Lines by state", labels=["channel", "state"])
            for channel, state, count in session.execute(
                select(Sender.channel, Sender.line_state, func.count())
                .where(Sender.state != SenderState.REMOVED, Sender.line_state != "")
                .group_by(Sender.channel, Sender.line_state)
            ):
                lines.add_metric([channel, state], count)
            yield lines
            alerts = GaugeMetricFamily("sendero_open_alerts", "Open alerts", labels=["kind"])
            for kind, count in session.execute(
                select(Alert.kind, func.count()).where(Alert.closed_at.is_(None)).group_by(Alert.kind)
            ):
                alerts.add_metric([kind], count)
            yield alerts


def exposition(parts: Services) -> bytes:
    """The figures as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(parts))
    return generate_latest(registry)
