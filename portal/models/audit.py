"""The audit log: who changed what, from where. Rows are only ever added; the database refuses the rest."""

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, JSON, BigInteger, Index, String, event
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId


class AuditEntry(Base):
    """One deed of a person. It outlives what it tells of, so its ids are no foreign keys.

    `who_id`: a user's number, or the name under which another way in knows the person. Without an agency only the
    operator sees it. `before` and `after` hold what changed, without secrets.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_agency", "agency_id", "id"),
        Index("ix_audit_entry_location", "location_id", "id"),
        Index("ix_audit_entry_subject", "kind", "subject_id", "id"),
        Index("ix_audit_entry_who", "who_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    agency_id: Mapped[int | None] = mapped_column(BigInteger)
    location_id: Mapped[int | None] = mapped_column(BigInteger)
    who: Mapped[str] = mapped_column(String(128))
    who_id: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))
    before: Mapped[dict[str, Any]] = mapped_column(JSON)
    after: Mapped[dict[str, Any]] = mapped_column(JSON)
    request_id: Mapped[str] = mapped_column(String(64))


# The migration has its own copy: it must stay what it was.
_GUARDS = (
    (
        "postgresql",
        "CREATE OR REPLACE FUNCTION keep_audit_entry() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
    ),
    (
        "postgresql",
        "CREATE TRIGGER audit_entry_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry "
        "FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_entry()",
    ),
    (
        "sqlite",
        "CREATE TRIGGER audit_entry_is_not_changed BEFORE UPDATE ON audit_entry "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    ),
    (
        "sqlite",
        "CREATE TRIGGER audit_entry_is_not_removed BEFORE DELETE ON audit_entry "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    ),
)
for _dialect, _statement in _GUARDS:
    event.listen(AuditEntry.__table__, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]
