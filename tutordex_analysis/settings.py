"""Where the servers and files are and who we are to them: environment over `tutordex.toml` over defaults."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from tutordex_analysis.errors import CatalogueError

FILE = "tutordex.toml"
_LINK = r"^https?://[^\s<>\"{}]+$"


class Settings(BaseSettings):
    """Settings of one installation; every key is also an environment variable `TUTORDEX_<KEY>`."""

    model_config = SettingsConfigDict(env_prefix="TUTORDEX_", toml_file=FILE, extra="forbid", frozen=True)

    prometheus_url: str | None = Field(None, description="http(s)://host:port[/prefix], without user and password")
    source_name: str = Field(
        "default", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", description="Names the archive's history of this server"
    )
    token: SecretStr | None = Field(None, description="Bearer token")
    basic_auth: SecretStr | None = Field(None, description="user:password")
    ca_file: Path | None = Field(None, description="PEM file of the server's authority")
    verify_tls: bool = Field(True, description="false: the server's certificate is not verified")
    archive: Path = Field(Path("data/archive"), description="Folder of the archive")
    ledger: Path = Field(Path("data/ledger"), description="Folder of the ledgers: what was forecast, and its scores")
    rules: Path = Field(Path("data/rules"), description="Folder of what was pushed: copies and history of each target")
    silences: Path = Field(Path("data/silences"), description="Folder of the journals of silences that we made")
    catalogue: Path | None = Field(None, description="Folder of your own signals")
    reports: Path = Field(Path("reports"), description="Folder of the pages")
    incidents: Path | None = Field(
        None, description="File of masks made by hand; the incidents.yaml of the catalogue folder"
    )
    alertmanager_url: str | None = Field(
        None, description="Whose silences are read and made; http(s)://host:port[/prefix]"
    )
    events_url: SecretStr | None = Field(
        None,
        description="Folder of exported event tables, such as users.parquet, or postgresql://user:password@host/db",
    )
    grafana_url: str = Field("http://localhost:3300", pattern=_LINK, description="Where people open Grafana, for links")
    alertmanager_external_url: str = Field(
        "http://localhost:9093", pattern=_LINK, description="Where people open Alertmanager, for links that silence"
    )
    runbook_url: str = Field("docs/runbooks", description="URL or path of the folder of runbooks, for links")
    report_url: str | None = Field(None, description="Where the pages can be reached, for links")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load() -> Settings:
    """The settings in force.

    Raises:
        CatalogueError: An unknown key in the file, or a bad value there or in the environment.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(Settings.model_fields))
            raise CatalogueError(f"{FILE}: there is no setting {key!r}; the settings are {known}") from None
        raise CatalogueError(f"the setting {key} ({FILE} or TUTORDEX_{key.upper()}) is wrong: {first['msg']}") from None
    except ValueError as error:  # TOML that does not parse
        raise CatalogueError(f"{FILE} cannot be read: {error}") from None
