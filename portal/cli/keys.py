"""`flask keys`: encryption keys."""

from flask.cli import AppGroup
from sqlalchemy import select

from portal.cli.answers import say, services
from portal.models import Grant, MediaFile, Sender, User

keys = AppGroup("keys", help="Encryption keys.")


@keys.command("rotate")
def rotate_keys() -> None:
    """Seals every stored secret with the first of ENCRYPTION_KEYS."""
    parts = services()
    count = 0
    with parts.database.write() as session:
        for row in session.scalars(select(Sender).with_for_update()):
            row.credentials = parts.vault.reseal(row.credentials)
            count += 1
        for grant in session.scalars(select(Grant).with_for_update()):
            for field in ("access_token", "refresh_token"):
                if getattr(grant, field):
                    setattr(grant, field, parts.vault.reseal(getattr(grant, field)))
                    count += 1
        for user in session.scalars(select(User).where(User.totp_secret.is_not(None)).with_for_update()):
            user.totp_secret = parts.vault.reseal(user.totp_secret or "")
            count += 1
        for file in session.scalars(select(MediaFile).where(MediaFile.source != "").with_for_update()):
            file.source = parts.vault.reseal(file.source)
            count += 1
    say({"resealed": count})
