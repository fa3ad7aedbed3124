"""The README's examples, pasted, under the servers that people run: each record is stored once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.application import FussyFake
from tests.support.servers import Server, pasted, run_script
from tests.support.wait import wait_until

pytestmark = pytest.mark.slow

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-ID": "r-1"}


@pytest.fixture
def fake() -> Iterator[FussyFake]:
    with FussyFake() as server:
        yield server


def of_logger(fake: FussyFake, *names: str) -> list[dict[str, Any]]:
    return [doc for doc in list(fake.documents.values()) if doc["logger"] in names]


def ask(server: Server, count: int) -> None:
    """Ask for /orders/0 and so on, eight at a time."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: server.get(f"/orders/{n}", HEADERS), range(count)))
    assert {status for status, _ in answers} == {200}


def assert_all_there(fake: FussyFake, count: int, message: str = "looked up") -> None:
    """Both records of each request are stored, once, with what tells whose they are."""
    own = [doc for doc in fake.documents.values() if doc["message"] == message]
    assert Counter(doc["extra"]["number"] for doc in own) == Counter(range(count))
    requests = of_logger(fake, "logship.access")
    assert Counter(doc["path"] for doc in requests) == Counter(
        f"/orders/{number}" for number in range(count)
    )
    for doc in (*own, *requests):
        assert (doc["trace_id"], doc["request_id"]) == (TRACE, "r-1")
    assert {doc["status"] for doc in requests} == {200}
    assert set(fake.copies.values()) == {1}


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_fastapi_under_uvicorn(fake: FussyFake, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Requests and what is logged in them are there when uvicorn has ended by its signal."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    (tmp_path / "shop.py").write_text(pasted("FastAPI", fake.url))
    with Server(tmp_path, "uvicorn", "shop:app", "--fd", "{fd}", *options) as server:
        ask(server, 20)
        assert server.get("/health")[0] == 404
        server.stop()
    assert_all_there(fake, 20)
    assert {doc["route"] for doc in of_logger(fake, "logship.access")} == {"/orders/{number}"}
    assert of_logger(fake, "uvicorn.access") == []


def wait_for_boot(fake: FussyFake, server: Server, workers: int) -> None:
    """Until so many have loaded the application: a signal before that is lost in gunicorn."""
    wait_until(
        lambda: (
            len([doc for doc in of_logger(fake, "shop") if doc["message"] == "made"]) >= workers
        ),
        lambda: server.output,
        seconds=60,
    )


SMALLEST = """
import logging

from flask import Flask

logging.getLogger("shop").warning("made")
app = Flask(__name__)
"""
FLASK_ROUTE = """
import logging

logging.getLogger("shop").info("made")


@app.get("/orders/<int:number>")
def order(number):
    app.logger.info("looked up", extra={"number": number})
    return {"number": number}
"""


@pytest.mark.parametrize("preload", [True, False])
def test_flask_under_gunicorn(fake: FussyFake, tmp_path: Path, preload: bool) -> None:
    """Workers forked before and after the application was made ship their own, and each once."""
    pytest.importorskip("gunicorn")
    (tmp_path / "shop.py").write_text(pasted("Flask", fake.url) + FLASK_ROUTE)
    options = ["--workers", "3", "--bind", "fd://{fd}", *(["--preload"] if preload else [])]
    with Server(tmp_path, "gunicorn", *options, "shop:app") as server:
        ask(server, 60)
        wait_for_boot(fake, server, 1 if preload else 3)
        assert server.stop() == 0, server.output
        output = server.output
    assert_all_there(fake, 60)
    made = of_logger(fake, "shop")
    assert len([doc for doc in made if doc["message"] == "made"]) == (1 if preload else 3)
    workers = {doc["process.pid"] for doc in of_logger(fake, "logship.access")}
    assert server.process.pid not in workers
    assert "logship:" not in output


def test_what_gunicorn_itself_says(fake: FussyFake, tmp_path: Path) -> None:
    """With the README's settings for gunicorn its workers' own lines are shipped, too."""
    pytest.importorskip("gunicorn")
    (tmp_path / "gunicorn.conf.py").write_text(pasted("gunicorn", fake.url))
    (tmp_path / "shop.py").write_text(SMALLEST)
    with Server(
        tmp_path, "gunicorn", "--workers", "2", "--bind", "fd://{fd}", "shop:app"
    ) as server:
        assert server.get("/")[0] == 404
        wait_for_boot(fake, server, 2)
        assert server.stop() == 0, server.output
    said = of_logger(fake, "gunicorn.error")
    assert len([doc for doc in said if doc["message"].startswith("Worker exiting")]) == 2


DJANGO_SETTINGS = """
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
"""
DJANGO_URLS = """
import logging

from django.http import JsonResponse
from django.urls import path

log = logging.getLogger(__name__)


def order(request, number):
    log.info("looked up", extra={"number": number})
    return JsonResponse({"number": number})


def fail(request):
    raise ValueError("no such order")


urlpatterns = [path("orders/<int:number>", order), path("fail", fail)]
"""


def test_django_under_gunicorn(fake: FussyFake, tmp_path: Path) -> None:
    """LOGGING makes the handler; an exception of a view is stored with its stack."""
    pytest.importorskip("django")
    pytest.importorskip("gunicorn")
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").write_text("")
    (shop / "settings.py").write_text(DJANGO_SETTINGS + pasted("Django", fake.url, 0))
    (shop / "wsgi.py").write_text(pasted("Django", fake.url, 1))
    (shop / "urls.py").write_text(DJANGO_URLS)
    with Server(tmp_path, "gunicorn", "-w", "2", "--bind", "fd://{fd}", "shop.wsgi") as server:
        ask(server, 40)
        assert server.stop() == 0, server.output
    assert_all_there(fake, 40)
    with Server(tmp_path, "gunicorn", "-w", "1", "--bind", "fd://{fd}", "shop.wsgi") as server:
        assert server.get("/fail")[0] == 500
        assert server.stop() == 0, server.output
    (failed,) = of_logger(fake, "django.request")
    assert (failed["error.type"], failed["level"]) == ("ValueError", "ERROR")
    assert "no such order" in failed["error.stack_trace"]


CELERY_TASKS = """
import logging

app.conf.broker_transport_options = {
    "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"
}
log = logging.getLogger("shop")


@app.task
def order(number):
    log.info("looked up", extra={"number": number})
    with open("done", "a") as done:
        done.write(f"{number}\\n")
"""
CELERY_CALLER = """
import os
os.makedirs("queue", exist_ok=True)
import logship, shop
with logship.trace() as trace:
    for number in range(40):
        shop.order.delay(number)
print(trace.trace_id)
"""


def test_celery(fake: FussyFake, tmp_path: Path) -> None:
    """Tasks carry the trace of their caller; a warm shutdown loses nothing of the children."""
    pytest.importorskip("celery")
    example = pasted("Celery", fake.url).replace("redis://localhost", "filesystem://")
    assert "filesystem://" in example
    (tmp_path / "shop.py").write_text(example + CELERY_TASKS)
    trace_id = run_script(tmp_path, CELERY_CALLER).strip()
    options = ["--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with Server(tmp_path, "celery", "-A", "shop", "worker", *options) as worker:
        wait_until(
            lambda: len(of_logger(fake, "shop")) >= 20,
            lambda: f"{len(fake.documents)} records\n{worker.output}",
            seconds=60,
        )
        assert worker.stop() == 0, worker.output
    tasks = of_logger(fake, "shop")
    done = {doc["extra"]["number"] for doc in tasks}
    finished = of_logger(fake, "celery.app.trace")
    assert (
        len([doc for doc in finished if "succeeded" in doc["message"]]) == len(done) == len(tasks)
    )
    assert {doc["trace_id"] for doc in tasks} == {trace_id}
    assert set(fake.copies.values()) == {1}
