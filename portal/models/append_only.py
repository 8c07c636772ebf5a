"""Tables whose rows are never changed and never removed, and add up to zero: the database itself refuses the rest.

What is created from the models has these guards as well as what the migrations built, which have their own copies.
"""

from sqlalchemy import DDL, event

from portal.models.base import Base

_POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '%% is append-only: write an entry that corrects', TG_TABLE_NAME; END $$",
    "CREATE TRIGGER {table}_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)
_SQLITE = (
    "CREATE TRIGGER {table}_is_not_changed BEFORE UPDATE ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only: write an entry that corrects'); END",
    "CREATE TRIGGER {table}_is_not_removed BEFORE DELETE ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only: write an entry that corrects'); END",
)
# A constraint, and where ALTER TABLE cannot add one, a trigger.
_BALANCED = {
    "postgresql": "ALTER TABLE {table} ADD CONSTRAINT ck_{table}_balanced CHECK ({sum} = 0) NOT VALID",
    "sqlite": "CREATE TRIGGER {table}_is_balanced BEFORE INSERT ON {table} WHEN {sum} <> 0 "
    "BEGIN SELECT RAISE(ABORT, '{table} does not add up to zero'); END",
}


def keep(model: type[Base], *amounts: str) -> None:
    """Makes a table append-only, and the `amounts` of each row add up to zero."""
    for dialect, statements in (("postgresql", _POSTGRESQL), ("sqlite", _SQLITE)):
        prefix = "NEW." if dialect == "sqlite" else ""
        total = " + ".join(f"{prefix}{amount}" for amount in amounts)
        wanted = [*statements, _BALANCED[dialect]] if amounts else statements
        for statement in wanted:
            told = statement.format(table=model.__tablename__, sum=total)
            guard = DDL(told).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]
            event.listen(model.__table__, "after_create", guard)
