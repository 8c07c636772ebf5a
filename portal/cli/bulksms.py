"""`flask installation bulksms`: what the routes of imqs/messaging go by in a sub-account."""

import click

from portal.cli.answers import say, services
from portal.cli.installation import installation, location_named
from portal.messaging import bulksms


@installation.command("bulksms")
@click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")
@click.option("--countries", help="Countries that numbers may be of, like ZA,BW; empty: the sub-account's own.")
@click.option("--segments", type=int, help="SMS parts that a text may have; 0: any number.")
@click.option("--batch", type=int, help="Recipients of one call to the provider; 0: as many as it takes.")
def set_bulksms(location_id: str, countries: str | None, segments: int | None, batch: int | None) -> None:
    """Sets what is given, and prints what holds for /sendsms and /normalize."""
    with services().database.write() as session:
        row = location_named(session, location_id)
        bulksms.set_rules(row, countries.split(",") if countries is not None else None, segments, batch)
        session.flush()
        say(
            {
                "location": row.ghl_id,
                "countries": bulksms.countries(row),
                "segments": row.bulksms_segments,
                "batch": row.bulksms_batch,
            }
        )
