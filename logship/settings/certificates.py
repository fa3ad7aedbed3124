"""PEM files of TLS: whether they can be used, which is better known before the first request."""

from __future__ import annotations

import ssl
from pathlib import Path

from logship.settings.tree import quote

__all__ = ["authorities_trouble", "pair_trouble"]


def authorities_trouble(path: Path) -> str:
    """Return why the certificates in *path* cannot be trusted; empty when they can."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return f"{quote(str(path))} holds no certificate in PEM form"
    except OSError as error:
        return f"cannot read {quote(str(path))}: {error.strerror}"
    return ""


def pair_trouble(certificate: Path, key: Path | None) -> str:
    """Return why nobody can be shown *certificate* with its *key*; empty when it can be.

    Args:
        certificate: PEM; may hold the key as well.
        key: PEM; None when it stands in the other file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    names = quote(str(certificate)) + (f" with {quote(str(key))}" if key is not None else "")
    try:
        # The password is none: asking for one at a terminal would stop everything.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"{names} do not belong together: the key is another certificate's"
        needed = "" if key is not None else "; give the key in client_key"
        return (
            f"{names} cannot be used: both certificate and key have to be there in PEM form, the "
            f"key without a password{needed}"
        )
    except OSError as error:
        return f"cannot read {names}: {error.strerror}"
    return ""
