"""Owns the channel to a server: in plaintext on loopback, or by TLS, where the server has to be the right one."""

import ssl
from pathlib import Path

import grpc

from tokensvc.cli.addresses import address_of, plaintext_address
from tokensvc.config import Settings, SettingsError

# A proxy named in the environment must not see plaintext that is meant for loopback.
_OPTIONS = (("grpc.enable_http_proxy", 0),)


def open_channel(settings: Settings) -> grpc.Channel:
    """Answer a channel to the server that the settings name; fails with SettingsError or CommandError.

    It connects when it is used.
    """
    if not settings.calls_by_tls:
        address = plaintext_address(settings.address, "address", insecure=settings.insecure)
        return grpc.insecure_channel(str(address), _OPTIONS)
    address = address_of(settings.address, "address")
    name = (("grpc.ssl_target_name_override", settings.tls_server_name),) if settings.tls_server_name else ()
    return grpc.secure_channel(str(address), _credentials(settings), (*_OPTIONS, *name))


def _credentials(settings: Settings) -> grpc.ChannelCredentials:
    """Read the files; what is wrong with them is said here, because gRPC says it to standard error and goes on."""
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authorities, chain, private_key = None, None, None
    if settings.tls_ca_file is not None:
        authorities = _content("tls_ca_file", settings.tls_ca_file)
        try:
            trial.load_verify_locations(settings.tls_ca_file)
        except ssl.SSLError:
            raise SettingsError(f"tls_ca_file: there are no certificates in PEM in {settings.tls_ca_file}") from None
    if settings.tls_cert_file is not None and settings.tls_key_file is not None:
        chain = _content("tls_cert_file", settings.tls_cert_file)
        private_key = _content("tls_key_file", settings.tls_key_file)
        try:
            trial.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password="")
        except (ssl.SSLError, ValueError):
            raise SettingsError("tls_key_file: it is not the private key of tls_cert_file, or not in PEM") from None
    return grpc.ssl_channel_credentials(authorities, private_key, chain)


def _content(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{setting}: cannot read {path}: {error.strerror}") from None
