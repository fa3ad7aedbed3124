"""Certificates for tests, made with ``openssl``: an authority, and what it signs."""

from __future__ import annotations

import hashlib
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Authority", "Pair", "has_openssl"]

LOCAL = "IP:127.0.0.1,DNS:localhost"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def has_openssl() -> bool:
    """Whether certificates can be made here."""
    return shutil.which("openssl") is not None


@dataclass(frozen=True)
class Pair:
    """A key and a certificate, PEM; the file of the certificate may hold its authority's, too."""

    key: Path
    certificate: Path


class Authority:
    """Signs certificates that nobody else trusts.

    Attributes:
        certificate: Its own, PEM.
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder, self._name = folder, name
        self._key, self.certificate = folder / f"{name}.key", folder / f"{name}.pem"
        _openssl(
            *("req", "-x509", *KEY, "-days", "2", "-subj", f"/CN={name}"),
            *("-keyout", str(self._key), "-out", str(self.certificate)),
        )

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint of its certificate."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate.read_text())).hexdigest()

    def sign(
        self, name: str, *, names: str = LOCAL, days: int = 2, with_authority: bool = True
    ) -> Pair:
        """Make a key and a certificate.

        Args:
            name: Of the files.
            names: Whom it is for, as in the extension subjectAltName.
            days: How long it is valid; -1 has expired.
            with_authority: Whether this authority's certificate follows in the file.
        """
        stem = self._folder / f"{self._name}-{name}"
        key, request, made = (stem.with_suffix(end) for end in (".key", ".csr", ".pem"))
        _openssl(
            *("req", *KEY, "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"),
            *("-keyout", str(key), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-copy_extensions", "copy"),
            *("-CA", str(self.certificate), "-CAkey", str(self._key)),
            *("-days", str(days), "-out", str(made)),
        )
        if with_authority:
            made.write_text(made.read_text() + self.certificate.read_text())
        return Pair(key, made)


def _openssl(*arguments: str) -> None:
    result = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
