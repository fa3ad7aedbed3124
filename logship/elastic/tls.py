"""TLS: whom to trust, who we are, and in which words a handshake fails.

A fingerprint names an authority without its certificate, which a handshake then has to bring. So
the first handshake only looks at what the server shows, and ends there, before anything is sent;
the certificate with that fingerprint becomes the only authority of all handshakes that follow.
"""

from __future__ import annotations

import hashlib
import logging
import ssl
from pathlib import Path
from typing import Any

from logship.elastic.credentials import Signature, signature
from logship.settings.model import ElasticsearchSettings

__all__ = ["Shown", "Trust", "tls_trouble"]

log = logging.getLogger(__name__)

EXPIRED, NOT_YET_VALID, HOST_MISMATCH, ADDRESS_MISMATCH = 10, 9, 62, 64
UNTRUSTED = frozenset((2, 18, 19, 20, 21))


class Shown(ssl.SSLError):
    """A handshake that was to end: ``certificates`` were shown, DER, the server's own first."""

    def __init__(self, certificates: list[bytes]) -> None:
        self.certificates = certificates
        super().__init__("looked at the certificates")


class _Looking(ssl.SSLObject):
    """Ends every handshake by raising what certificates were shown."""

    def do_handshake(self) -> None:
        """Shake hands.

        Raises:
            Shown: Always, once it is done.
        """
        super().do_handshake()
        raise Shown(_chain(self))


def _chain(connection: ssl.SSLObject) -> list[bytes]:
    if hasattr(connection, "get_unverified_chain"):  # from Python 3.13
        return list(connection.get_unverified_chain())
    # Before that only the object inside knows it, which typeshed does not.
    inner: Any = connection._sslobj  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in inner.get_unverified_chain()]


class Trust:
    """The context of handshakes, made again when one of its files has changed.

    Attributes:
        alert: What a server said last when it ended a connection after the handshake, as it does
            in TLS 1.3 when it does not like our certificate: asyncio keeps that to itself.
    """

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        fingerprint = settings.ca_fingerprint
        self.alert: ssl.SSLError | None = None
        self._wanted = None if fingerprint is None else fingerprint.replace(":", "").lower()
        self._authority: bytes | None = None
        self._is_own = False
        files = (settings.ca_certs, settings.client_cert, settings.client_key)
        self._files = tuple(path for path in files if path is not None)
        self._seen: tuple[Signature, ...] = ()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context for the next connection.

        Raises:
            OSError: A file cannot be used, and never could; names the setting.
        """
        seen = tuple(map(signature, self._files))
        if self._context is None or seen != self._seen:
            try:
                self._context = self._made()
            except OSError as error:
                if self._context is None:
                    raise
                log.warning("%s; what was there before stays.", error)
            self._seen = seen
        return self._context

    def learn(self, certificates: list[bytes]) -> str:
        """Take the authority from what a server has shown; returns why it cannot be, or nothing."""
        assert self._wanted is not None
        for position, certificate in enumerate(certificates):
            if hashlib.sha256(certificate).hexdigest() == self._wanted:
                self._authority, self._is_own = certificate, position == 0
                self._context = None
                return ""
        shown = ", ".join(hashlib.sha256(one).hexdigest() for one in certificates)
        return (
            "none of the certificates that it shows has the fingerprint in "
            f"elasticsearch.ca_fingerprint (they have {shown})"
        )

    def forget(self) -> None:
        """Look anew at the next handshake: the authority may have been replaced."""
        if self._authority is not None:
            self._authority = self._context = None

    def _made(self) -> ssl.SSLContext:
        settings = self._settings
        context = self._trusting()
        if context.sslobject_class is ssl.SSLObject:
            context.sslobject_class = _listening(self)
        if settings.client_cert is not None:
            try:
                # The password is none: asking for one at a terminal would stop everything.
                context.load_cert_chain(settings.client_cert, settings.client_key, password="")
            except OSError as error:
                names = " and ".join(str(p) for p in self._files if p != settings.ca_certs)
                raise _unusable("client_cert", names, error) from None
        return context

    def _trusting(self) -> ssl.SSLContext:
        settings = self._settings
        if self._wanted is not None and self._authority is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.sslobject_class = _Looking
            return context
        if self._authority is not None:
            context = ssl.create_default_context(cadata=self._authority)
            context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
            context.check_hostname = not self._is_own  # that very certificate is the one meant
        elif settings.ca_certs is not None:
            try:
                context = ssl.create_default_context(cafile=settings.ca_certs)
            except OSError as error:
                raise _unusable("ca_certs", str(settings.ca_certs), error) from None
        else:
            context = _public()
        if not settings.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


def _listening(trust: Trust) -> type[ssl.SSLObject]:
    class Listening(ssl.SSLObject):
        def read(self, *arguments: Any) -> Any:
            try:
                return super().read(*arguments)
            except ssl.SSLError as error:
                if "ALERT" in (error.reason or ""):
                    trust.alert = error
                raise

    return Listening


def _public() -> ssl.SSLContext:
    """Return a context that trusts the public authorities: the system's, and those certifi has."""
    context = ssl.create_default_context()
    try:
        import certifi
    except ImportError:
        return context
    if Path(certifi.where()).is_file():
        context.load_verify_locations(cafile=certifi.where())
    return context


def _unusable(setting: str, names: str, error: OSError) -> OSError:
    why = error.reason if isinstance(error, ssl.SSLError) and error.reason else error.strerror
    return OSError(f"elasticsearch.{setting}: {names} cannot be used ({why or error})")


def tls_trouble(error: ssl.SSLError, place: str) -> str:
    """Return in one line why the handshake with *place* failed, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == EXPIRED:
            return f"the certificate of {place} has expired: it has to be renewed there"
        if error.verify_code == NOT_YET_VALID:
            return f"the certificate of {place} is not valid yet: compare the clocks"
        if error.verify_code in (HOST_MISMATCH, ADDRESS_MISMATCH):
            return (
                f"the certificate of {place} is for other names: write one of them in "
                "elasticsearch.hosts, or have a certificate made for this one"
            )
        if error.verify_code in UNTRUSTED:
            return (
                f"the certificate of {place} is from an authority that is not trusted here: give "
                "the authority's certificate in elasticsearch.ca_certs, or its fingerprint in "
                "ca_fingerprint"
            )
        return f"the certificate of {place} cannot be verified: {error.verify_message}"
    reason = error.reason or str(error)
    if "CERTIFICATE_REQUIRED" in reason:
        return f"{place} wants a client certificate: give elasticsearch.client_cert and client_key"
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return f"{place} does not accept the certificate in elasticsearch.client_cert ({reason})"
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return f"{place} does not speak TLS: write http:// in elasticsearch.hosts"
    return f"the TLS handshake with {place} failed: {reason}"
