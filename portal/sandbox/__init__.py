"""The sandbox: a stand-in GHL and stand-in providers that speak the real HTTP, on a port of their own.

    sandbox = Sandbox(portal_url="http://127.0.0.1:8000")
    server = sandbox.serve(port=0)

It knows nothing of the portal's code: webhooks, API calls and JSON are all that passes between them.
"""

from portal.sandbox.app import Sandbox
from portal.sandbox.cast.messages import Progress
from portal.sandbox.faults import Effect
from portal.sandbox.signing import SigningKey
from portal.sandbox.webhooks import Signature

__all__ = ["Effect", "Progress", "Sandbox", "Signature", "SigningKey"]
