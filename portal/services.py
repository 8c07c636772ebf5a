"""The parts of one process, made once, after the fork, and handed to whoever needs them."""

from dataclasses import dataclass

from portal.config import Settings
from portal.crypto import Vault
from portal.database import Database
from portal.ghl.oauth import OAuthClient
from portal.ghl.signature import Verifier, verifier
from portal.http import HttpClient
from portal.installations.bulk import BulkInstaller
from portal.installations.consent import Consents
from portal.installations.tokens import Tokens
from portal.journal.spool import Spool
from portal.journal.writer import Journal
from portal.media.stores import Stores
from portal.messaging.account_watch import AccountWatch
from portal.messaging.accounts import Accounts
from portal.messaging.bulk import BulkOutbox
from portal.messaging.copies import Copies
from portal.messaging.dnd_into_ghl import DndIntoGhl
from portal.messaging.ghl_files import GhlFiles
from portal.messaging.into_ghl import IntoGhl
from portal.messaging.keeping import Keeper
from portal.messaging.late_files import LateFiles
from portal.messaging.line_watch import LineWatch
from portal.messaging.linking import Linking
from portal.messaging.looking import Looker
from portal.messaging.polling import Poller
from portal.messaging.sending import Outbox
from portal.messaging.template_watch import TemplateWatch
from portal.messaging.wallet_charges import WalletCharges


@dataclass(frozen=True, slots=True)
class Services:
    """Everything with a life of its own. Nothing here starts a thread when it is made."""

    settings: Settings
    database: Database
    vault: Vault
    http: HttpClient
    oauth: OAuthClient
    ghl_verifier: Verifier
    spool: Spool
    journal: Journal
    tokens: Tokens
    bulk: BulkInstaller
    consents: Consents
    accounts: Accounts
    outbox: Outbox
    bulk_outbox: BulkOutbox
    poller: Poller
    account_watch: AccountWatch
    line_watch: LineWatch
    template_watch: TemplateWatch
    linking: Linking
    into_ghl: IntoGhl
    dnd_into_ghl: DndIntoGhl
    wallet_charges: WalletCharges
    stores: Stores
    keeper: Keeper
    late_files: LateFiles


def make_services(settings: Settings, database: Database) -> Services:
    """Builds the parts for these settings."""
    vault = Vault(settings.encryption_keys)
    http = HttpClient()
    oauth = OAuthClient(http, settings.ghl_api_url, settings.ghl_client_id, settings.ghl_client_secret)
    spool = Spool(settings.spool_dir, settings.spool_max_bytes)
    tokens = Tokens(database, vault, oauth)
    accounts = Accounts(database, vault, settings)
    line_watch = LineWatch(database, http, accounts)
    stores = Stores(http, settings.media_dir, settings.media_stores)
    copies = Copies(database, settings, http, accounts, stores)
    files = GhlFiles(database, settings, stores)
    into_ghl = IntoGhl(database, settings, http, tokens, files)
    return Services(
        settings=settings,
        database=database,
        vault=vault,
        http=http,
        oauth=oauth,
        ghl_verifier=verifier(settings.ghl_public_keys),
        spool=spool,
        journal=Journal(database, spool),
        tokens=tokens,
        bulk=BulkInstaller(database, oauth, tokens, settings.ghl_app_id),
        consents=Consents(database, vault, oauth, settings.redirect_uri),
        accounts=accounts,
        outbox=Outbox(database, http, accounts, Looker(database, settings, http, copies)),
        bulk_outbox=BulkOutbox(database, http, accounts),
        poller=Poller(database, http, accounts),
        account_watch=AccountWatch(database, http, accounts),
        line_watch=line_watch,
        template_watch=TemplateWatch(database, http, accounts),
        linking=Linking(database, accounts, line_watch),
        into_ghl=into_ghl,
        dnd_into_ghl=DndIntoGhl(database, settings, http, tokens, files),
        wallet_charges=WalletCharges(database, settings, http, tokens, files),
        stores=stores,
        keeper=Keeper(database, settings, http, vault, accounts, stores),
        late_files=LateFiles(database, settings, files, into_ghl),
    )
