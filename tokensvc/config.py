"""Owns the settings: where each comes from, and what it may be. The only reader of the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

PREFIX = "TOKENSVC_"
CONFIG_FILE = f"{PREFIX}CONFIG"

_SECONDS_OF_DAY: Final = 86_400
_LEAST_REFRESH_KEY_DAYS: Final = 2  # each is kept for 400 days, and there are 255 numbers for them


class SettingsError(Exception):
    """A setting is wrong; the message names it and never shows its value."""


class Settings(BaseSettings):
    """Settings of server and command line: flags, then TOKENSVC_* variables, then *_FILE variables, then TOML."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)
    config_file: ClassVar[Path | None] = None

    data_dir: Path = Field(Path("tokensvc-data"), description="Where the embedded database and the root key are kept.")
    database_url: SecretStr = Field(
        SecretStr(""),
        description="PostgreSQL, as postgresql://USER:PASSWORD@HOST/DATABASE; the embedded database when not given.",
    )
    replica_url: SecretStr = Field(
        SecretStr(""), description="A read-only copy of it, for introspections that allow staleness."
    )
    root_key_file: Path | None = Field(None, description="The root keys; DATA_DIR/root.key when not given.")
    root_key: SecretStr = Field(SecretStr(""), description="The root keys themselves, where there is no such file.")
    pkcs11_pin: SecretStr = Field(
        SecretStr(""), description="The PIN for a root key in a PKCS#11 token; ps shows a flag to everybody."
    )
    listen: str = Field("127.0.0.1:50051", description="Address and port to listen on.")
    insecure: bool = Field(default=False, description="Allow plaintext on other addresses than loopback.")
    tls_cert_file: Path | None = Field(
        None, description="Certificate to show, with its chain, in PEM. A server that has one speaks TLS alone."
    )
    tls_key_file: Path | None = Field(None, description="Private key of that certificate, in PEM, without a password.")
    tls_client_ca_file: Path | None = Field(
        None,
        description="Authorities that every client's certificate must be from, in PEM; without, clients need none.",
    )
    health_listen: str = Field("", description="Second address, for grpc.health.v1 alone, in plaintext; for probes.")
    issuer: str = Field(
        "https://tokensvc.local",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Issuer identifier: the claim iss of every token.",
    )
    linger_ms: float = Field(
        1, ge=0, le=50, description="How long a busy group commit, or look at the log, gathers; 0 turns it off."
    )
    pace_ms: float = Field(1, ge=0, le=20, description="Tick on which a busy server's RPCs go on; 0 turns it off.")
    refusal_delay: float = Field(
        1, ge=0, le=10, description="Seconds that refused calls wait when a caller has many of them; 0 turns it off."
    )
    max_concurrent_rpcs: int = Field(
        2000, ge=1, le=100_000, description="Calls that a process works on at a time; further ones are refused at once."
    )
    max_streams: int = Field(
        1000, ge=1, le=100_000, description="Streams that a process sends at a time, half of them to one caller."
    )
    dpop_nonce: bool = Field(
        default=False, description="Demand a nonce of this service in the DPoP proofs that refresh sessions."
    )
    database_timeout: float = Field(3, gt=0, le=60, description="Seconds after which PostgreSQL counts as gone.")
    workers: int = Field(1, ge=1, le=256, description="Processes that serve, all on the same address.")
    max_connection_age: float = Field(
        300, ge=1, le=86_400, description="Seconds after which a connection is asked to reconnect, as balancing needs."
    )
    shutdown_grace: float = Field(10, ge=0, le=600, description="Seconds that RPCs under way may take at shutdown.")
    prune_interval: float = Field(60, ge=1, le=86_400, description="Seconds between two prunings of expired rows.")
    key_lead: float = Field(
        3600, ge=1, le=2_592_000, description="Seconds for which the next key is known before it is used."
    )
    signing_key_days: int = Field(
        90, ge=0, le=3_650, description="Days after which the next key signs access tokens; 0: when told to."
    )
    refresh_key_days: int = Field(
        365,
        ge=0,
        le=3_650,
        description="Days after which the next MAC keys seal and make refresh tokens; 0: when told to.",
    )
    audit_retention: int = Field(90, ge=0, le=36_500, description="Days for which audit events are kept; 0: for ever.")
    audit_addresses: bool = Field(default=False, description="Keep the network addresses of callers in audit events.")
    verified_tokens: int = Field(32_768, ge=1, description="Verified access tokens that are remembered.")
    log_format: str = Field("console", pattern="^(console|json)$", description="console or json.")
    address: str = Field("127.0.0.1:50051", description="Server that the commands call.")
    tls: bool = Field(default=False, description="Call by TLS; a file for it says so too.")
    tls_ca_file: Path | None = Field(
        None,
        description="Authorities that the server's certificate must be from, in PEM; the usual ones when not given.",
    )
    tls_server_name: str = Field("", description="Name in the server's certificate, where it is not the address's.")
    client_id: str = Field("", description="Who calls.")
    client_secret: SecretStr = Field(SecretStr(""), description="The caller's secret; ps shows a flag to everybody.")
    timeout: float = Field(5, gt=0, le=600, description="Seconds that a call may take.")

    @field_validator("signing_key_days", "refresh_key_days")
    @classmethod
    def _is_longer_than_the_lead(cls, value: int, info: ValidationInfo) -> int:
        if value and value * _SECONDS_OF_DAY <= info.data.get("key_lead", 0):
            raise ValueError("not longer than key_lead: the next key would have to be prepared before this one")
        return value

    @field_validator("refresh_key_days")
    @classmethod
    def _leaves_numbers(cls, value: int) -> int:
        if 0 < value < _LEAST_REFRESH_KEY_DAYS:
            raise ValueError(f"neither 0 nor at least {_LEAST_REFRESH_KEY_DAYS}")
        return value

    @field_validator("tls_key_file")
    @classmethod
    def _is_one_of_a_pair(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if (value is None) != (info.data.get("tls_cert_file") is None):
            raise ValueError("tls_cert_file and tls_key_file are given together")
        return value

    @field_validator("tls_client_ca_file")
    @classmethod
    def _goes_with_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("tls_cert_file") is None:
            raise ValueError("clients can show certificates only where the server has one: give tls_cert_file")
        return value

    @property
    def calls_by_tls(self) -> bool:
        """Whether the commands call by TLS."""
        return self.tls or self.tls_ca_file is not None or self.tls_cert_file is not None

    @property
    def database_path(self) -> Path:
        """The embedded database."""
        return self.data_dir / "tokensvc.db"

    @property
    def database_name(self) -> str:
        """What people are told of the database: not its URL, in which there is a password."""
        return "PostgreSQL" if self.database_url.get_secret_value() else str(self.database_path.absolute())

    @property
    def root_key_path(self) -> Path:
        """The file with the root key."""
        return self.root_key_file or self.data_dir / "root.key"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class passes it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class passes it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order in which a setting is looked for."""
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings, _FileVariables(settings_cls)]
        if cls.config_file is not None:
            sources.append(TomlConfigSettingsSource(settings_cls, cls.config_file))
        return tuple(sources)


class _FileVariables(PydanticBaseSettingsSource):
    """TOKENSVC_NAME_FILE names a file that holds the value of NAME, as container secrets do."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base class passes it
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if path is None or f"{field_name}_file" in self.settings_cls.model_fields:  # the latter is that variable's
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            raise SettingsError(f"cannot read {PREFIX}{field_name.upper()}_FILE: {error.strerror}") from error
        except UnicodeDecodeError:
            raise SettingsError(f"the file named by {PREFIX}{field_name.upper()}_FILE is not UTF-8 text") from None

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def load_settings(flags: Mapping[str, Any], config_file: Path | None = None) -> Settings:
    """Answer the settings, where `flags` go before everything; fails with SettingsError."""
    named = config_file or (Path(os.environ[CONFIG_FILE]) if os.environ.get(CONFIG_FILE) else None)
    if named is not None and not named.is_file():
        raise SettingsError(f"there is no configuration file {named}")

    class SettingsOfFile(Settings):
        config_file: ClassVar[Path | None] = named

    try:
        return SettingsOfFile(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise SettingsError(problems) from None
    except OSError as error:
        raise SettingsError(f"the configuration cannot be read: {error.strerror}: {error.filename}") from None
    except ValueError as error:
        raise SettingsError(f"the configuration cannot be read: {error}") from None


def quieten_grpc() -> None:
    """Let gRPC say errors alone on standard error, unless GRPC_VERBOSITY is set: else each failed handshake is a line.

    It has to be called before gRPC is imported.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def environment_without_settings() -> dict[str, str]:
    """The environment for a process that is told everything by flags."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
