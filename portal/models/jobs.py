"""The queue's table: due work, deleted when done."""

from datetime import datetime

from sqlalchemy import Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId


class Job(Base):
    """One unit of due work. The row it speaks of (`subject`) is the truth; the job is only the to-do.

    Jobs of one `lane` run strictly in the order of their ids. `gate` names what may hold them back (`models.Gate`).
    """

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("kind", "subject"),
        Index("ix_job_lane", "lane", "id"),
        Index("ix_job_due", "pool", "gate", "priority", "run_at", "id"),
        Index("ix_job_run_at", "pool", "run_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    pool: Mapped[str] = mapped_column(String(12))
    kind: Mapped[str] = mapped_column(String(32))
    subject: Mapped[int] = mapped_column(BigId)
    lane: Mapped[str] = mapped_column(String(240))
    gate: Mapped[str] = mapped_column(String(64), default="")
    priority: Mapped[int] = mapped_column(Integer, default=20)
    run_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    lease_owner: Mapped[str] = mapped_column(String(36), default="")
    lease_until: Mapped[datetime | None] = mapped_column(index=True)
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
