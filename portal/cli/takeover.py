"""`flask import`: senders, users and credits out of exports of the systems that this one replaces."""

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import click
from flask.cli import with_appcontext

from portal.accounts import audit
from portal.cli.answers import highlevel_id, pairs, say, services
from portal.config import Settings
from portal.errors import InvalidInput
from portal.messaging import first_sender
from portal.takeover import bringing, exports
from portal.takeover.bringing import Asked
from portal.takeover.wishes import Finding, Given, Outcome

TRIED = "Nothing was written: this was a dry run. With --apply it is done."


@click.command("import")
@click.argument("system", type=click.Choice(sorted(bringing.SYSTEMS)))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--apply", "write", is_flag=True, help="Write it; without this it is only tried.")
@click.option("--check", is_flag=True, help="Ask each provider whether the credentials are good.")
@click.option("--invite", is_flag=True, help="Mail invitations to users without a password, or print their links.")
@click.option("--private", is_flag=True, help="Senders may have API addresses inside a network.")
@click.option("--api-url", default="", help="The API address of senders that have none in the export.")
@click.option("--location", "place", callback=highlevel_id, help="The sub-account of rows that name none.")
@click.option("--agency", callback=highlevel_id, help="Users and credits of this company alone.")
@click.option("--set", "credentials", multiple=True, callback=pairs, metavar="KEY=VALUE", help="What an export lacks.")
@with_appcontext
def bring_over(
    system: str,
    file: Path,
    write: bool,
    check: bool,
    invite: bool,
    private: bool,
    api_url: str,
    place: str | None,
    agency: str | None,
    credentials: dict[str, str],
) -> None:
    """Brings over what another system kept. Prints what becomes of each row, and why; a second time nothing changes.

    SYSTEM is cast, courier, green-api, imqs or whatapp-go; FILE is an export as docs/replacing.md has it.
    """
    parts = services()
    filled, lenient = _filled(parts.settings, system, credentials), parts.settings.allow_private_hosts
    api_url = api_url or (first_sender.address(parts.settings, "cast") if system == "cast" else "")
    given = Given(place or "", filled, private, lenient, api_url)
    asked = Asked(system, write, check, invite, agency or "")
    counts: Counter[Outcome] = Counter()
    for each in bringing.bring(parts, exports.read(_read(file)), given, asked):
        counts[each.outcome] += 1
        say(_line(each))
    told = {str(outcome): counts[outcome] for outcome in Outcome}
    if write:
        with parts.database.write() as session:
            subject = audit.Subject("command", "import", system)
            audit.note(session, audit.command_line(), "flask import", subject, after=told)
    say({**told, "written": write, **({} if write else {"note": TRIED})})


def _filled(settings: Settings, system: str, given: dict[str, str]) -> dict[str, str]:
    """What is given, and for the Cast plugin what its environment says here."""
    return first_sender.completed(settings, "cast", given) if system == "cast" else given


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > exports.LARGEST:
            raise InvalidInput(f"The file is larger than {exports.LARGEST // 1024 // 1024} MiB.")
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"The file cannot be read ({type(error).__name__}).") from None


def _line(found: Finding) -> dict[str, object]:
    told = asdict(replace(found, link=""))
    told["outcome"] = str(found.outcome)
    told["link"] = found.link
    return {name: value for name, value in told.items() if value != ""}
