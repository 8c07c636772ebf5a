"""HighLevel's location route."""

from flask import Response, jsonify

from portal.sandbox.context import sandbox
from portal.sandbox.ghl.access import any_call, blueprint, caller, refuse


@blueprint.get("/locations/<location_id>")
@any_call
def get_location(location_id: str) -> Response:
    """A sub-account, for its own token or its agency's."""
    location = sandbox().world.locations.get(location_id)
    if location is None and location_id == caller().location_id:
        return refuse(400, f"Location with id {location_id} not found")  # it was deleted, and its token lives on
    if location is None or caller().id not in (location.id, location.company_id):
        return refuse(403, "The token does not have access to this location.")
    return jsonify(
        location={
            "id": location.id,
            "companyId": location.company_id,
            "name": location.name,
            "timezone": location.timezone,
            "country": "PH",
            "email": "",
            "phone": "",
        }
    )
