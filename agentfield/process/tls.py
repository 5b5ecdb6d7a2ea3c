"""Who a server is, by its certificate: read from files, and again when they have changed."""

from __future__ import annotations

__all__ = ["Certificate", "Pems", "TlsFiles", "add_tls_flags", "tls_files"]

import logging
import ssl
import threading
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from agentfield.process.flags import ConfigError, Flags

log = logging.getLogger("agentfield.tls")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where a server's certificate is. All files are PEM."""

    cert: Path
    """The certificate, and those between it and its CA after it."""
    key: Path
    client_ca: Path | None = None
    """Whoever calls over gRPC must show a certificate signed by one of these. None: nobody must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pems:
    """What the files say."""

    cert: bytes
    key: bytes
    client_ca: bytes | None


class Certificate:
    """A certificate that follows its files: what is put in their place counts from then on.

    Raises ConfigError at its creation for files that cannot be read or do not belong together.
    Later such files change nothing until they are right; a warning tells of them.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()  # gRPC asks from threads of its own
        self._stamp = self._stamped()
        self._pems, self._context = self._read()

    @property
    def pems(self) -> Pems:
        """The files' contents as they are now."""
        self._follow()
        return self._pems

    def context(self) -> ssl.SSLContext:
        """Return what an HTTPS server listens with: each handshake uses the files as they are."""
        first = self._context

        def current(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
            self._follow()
            connection.context = self._context

        first.sni_callback = current
        return first

    def _follow(self) -> None:
        with self._lock:
            stamp = self._stamped()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._pems, self._context = self._read()
            except ConfigError:
                log.warning("new certificate cannot be used", extra={"file": str(self._files.cert)})
            else:
                log.info("new certificate in use", extra={"file": str(self._files.cert)})

    def _stamped(self) -> list[tuple[int, int, int] | None]:
        paths = (self._files.cert, self._files.key, self._files.client_ca)
        return [_stamp(path) for path in paths if path is not None]

    def _read(self) -> tuple[Pems, ssl.SSLContext]:
        files = self._files
        pems = Pems(
            cert=_bytes(files.cert, "certificate"),
            key=_bytes(files.key, "certificate's key"),
            client_ca=_bytes(files.client_ca, "clients' CA") if files.client_ca else None,
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(files.cert, files.key, password=_no_password)
        except (ssl.SSLError, ValueError):
            raise ConfigError(
                f"{files.cert} and {files.key} are not a certificate in PEM and its key."
            ) from None
        if pems.client_ca is not None:
            _check_authority(files.client_ca, pems.client_ca)
        return pems, context


def add_tls_flags(flags: Flags) -> None:
    """Add the flags that say where a server's certificate is."""
    flags.flag("--tls-cert", "", "FILE", "PEM file of its certificate chain; none: no TLS")
    flags.flag("--tls-key", "", "FILE", "PEM file of the certificate's key")


def tls_files(args: Namespace, *, client_ca: str = "") -> TlsFiles | None:
    """Return what the flags say, None for no TLS.

    Raises ConfigError for one flag without the other, and for files that cannot be used.
    """
    if not (args.tls_cert or args.tls_key or client_ca):
        return None
    if not (args.tls_cert and args.tls_key):
        raise ConfigError("TLS needs both --tls-cert FILE and --tls-key FILE.")
    files = TlsFiles(
        cert=Path(args.tls_cert),
        key=Path(args.tls_key),
        client_ca=Path(client_ca) if client_ca else None,
    )
    Certificate(files)
    return files


def _check_authority(path: Path | None, pem: bytes) -> None:
    """Raise ConfigError for a file that gRPC could check nobody's certificate with."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise ConfigError(f"The clients' CA {path} holds no certificate in PEM.") from None


def _no_password() -> str:
    # Without it OpenSSL would ask whoever sits at the terminal.
    raise ValueError("the key is encrypted")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _bytes(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The {what} {path} cannot be read: {error.strerror}.") from None
