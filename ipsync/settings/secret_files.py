"""The section `[secrets]`: where the files of secrets are. No secret stands in the configuration itself (T05)."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from ipsync.settings import addresses, units
from ipsync.settings.section import Section

_SECRET_FILE = BeforeValidator(addresses.read_path)


class SecretFiles(Section):
    """Files that hold the secrets, mode 0600; only for what is neither a systemd credential nor in the environment."""

    api_key_file: Annotated[Path | None, _SECRET_FILE, units.PATH] = Field(
        default=None, description="the API key of the application"
    )
    api_secret_file: Annotated[Path | None, _SECRET_FILE, units.PATH] = Field(
        default=None, description="the secret that belongs to the API key"
    )
    admin_token_file: Annotated[Path | None, _SECRET_FILE, units.PATH] = Field(
        default=None, description="what opens /v1 and /media (Authorization: Bearer)"
    )
    state_key_file: Annotated[Path | None, _SECRET_FILE, units.PATH] = Field(
        default=None, description="encrypts the members' tokens in the database; 32 random bytes as hex or base64"
    )
    smtp_password_file: Annotated[Path | None, _SECRET_FILE, units.PATH] = Field(
        default=None, description="signs in at the mail server, with notify.smtp_user"
    )
    webhook_secret_file: Annotated[Path | None, _SECRET_FILE, units.PATH] = Field(
        default=None, description="signs what is sent to notify.webhook_url; whsec_ and base64"
    )
