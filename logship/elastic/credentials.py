"""Who we are: the header that authenticates, also after the file of a secret has changed."""

from __future__ import annotations

import logging
from pathlib import Path

from elastic_transport.client_utils import basic_auth_to_header

from logship.settings.kinds import Secret, SecretFile
from logship.settings.model import ElasticsearchSettings
from logship.settings.reading import Wrong
from logship.settings.texts import check_api_key, check_token

__all__ = ["Credentials", "Signature", "signature"]

log = logging.getLogger(__name__)

Signature = tuple[int, int, int] | None


def signature(path: Path) -> Signature:
    """Return what changes when a file is written or replaced; None when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class Credentials:
    """The header for requests. A file of a secret is read again when it has changed.

    A new content that cannot be a secret, as one that is half written, is reported once and the
    last good one stays.
    """

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._username = settings.username
        self._secrets = {
            "api_key": settings.api_key,
            "bearer_token": settings.bearer_token,
            "password": settings.password,
        }
        kinds = {"api_key": check_api_key, "bearer_token": check_token, "password": None}
        self._files: dict[str, tuple[Path, SecretFile]] = {}
        self._seen: dict[str, Signature] = {}
        for name, check in kinds.items():
            path: Path | None = getattr(settings, f"{name}_file")
            if path is not None and self._secrets[name] is not None:
                self._files[name] = path, SecretFile(Secret(check))
        self._header = self._made()

    def header(self) -> dict[str, str]:
        """Return the header ``authorization``, or nothing without credentials."""
        # A stat for every request: a bulk request has thousands of records.
        if any(signature(path) != self._seen.get(name) for name, (path, _) in self._files.items()):
            self._read_again()
        return self._header

    def _read_again(self) -> None:
        for name, (path, kind) in self._files.items():
            now = signature(path)
            if now == self._seen.get(name):
                continue
            self._seen[name] = now
            try:
                secret = kind.content(path)
            except Wrong as wrong:
                log.warning("elasticsearch.%s_file: %s; what it held before stays.", name, wrong)
                continue
            if secret != self._secrets[name]:
                self._secrets[name] = secret
                log.info("elasticsearch.%s_file: %s has changed and was read again.", name, path)
        self._header = self._made()

    def _made(self) -> dict[str, str]:
        if self._secrets["api_key"] is not None:
            return {"authorization": f"ApiKey {self._secrets['api_key']}"}
        if self._secrets["bearer_token"] is not None:
            return {"authorization": f"Bearer {self._secrets['bearer_token']}"}
        if self._username is not None:
            password = self._secrets["password"] or ""
            return {"authorization": basic_auth_to_header((self._username, password))}
        return {}
