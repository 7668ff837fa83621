"""The two clients, each as the command that a user runs."""

import json
import shutil
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

from datahub.ingestion.graph.client import DataHubGraph
from datahub.ingestion.graph.config import DatahubClientConfig

from embedded import PROGRAM, ROOT, Gms

DATAHUB = str(Path(sys.executable).with_name("datahub"))

WAREHOUSE = ROOT / "fixtures" / "metadata" / "warehouse"
RECORDS = Path(__file__).with_name("records")


def files(*kinds: str) -> list[Path]:
    """The warehouse, and the files of records that are numbered so."""
    return sorted(WAREHOUSE.glob("*.json")) + [file for kind in kinds for file in RECORDS.glob(f"{kind}-*.json")]


EVERYTHING = files("01", "02", "03", "04", "05", "06")


def records(of: list[Path]) -> Iterator[dict[str, Any]]:
    for file in of:
        yield from json.loads(file.read_text(encoding="utf-8"))


def graph(gms: Gms, **settings: Any) -> DataHubGraph:
    """The Python client in this process."""
    return DataHubGraph(DatahubClientConfig(server=gms.url, token=gms.token, **settings))


@dataclass(frozen=True)
class Delivery:
    """How proposals are delivered."""

    mode: str
    endpoint: str
    emit_mode: str | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.endpoint, self.mode, self.emit_mode)))

    def carried_by_python(self) -> list[Path]:
        """What the Python client can carry this way."""
        kinds = ["01", "02"]
        if self.endpoint == "RESTLI":
            # Over OpenAPI it refuses a patch in the form in which its own file sink writes it.
            kinds.append("03")
        if (self.endpoint, self.mode) != ("OPENAPI", "ASYNC_BATCH"):
            # There a DELETE fails with all of its batch.
            kinds.append("04")
        if (self.endpoint, self.mode) == ("RESTLI", "ASYNC_BATCH"):
            # Elsewhere it deletes whole entities only.
            kinds.append("05")
        if self.endpoint == "OPENAPI" or self.mode == "ASYNC_BATCH":
            # Else non-ASCII characters in a URN reach GMS as escapes.
            kinds.append("06")
        return files(*kinds)


DELIVERIES = [
    Delivery(mode, endpoint) for endpoint in ("RESTLI", "OPENAPI") for mode in ("SYNC", "ASYNC", "ASYNC_BATCH")
]
WAITING = [
    Delivery("SYNC", "RESTLI", "SYNC_WAIT"),
    Delivery("SYNC", "OPENAPI", "SYNC_WAIT"),
    Delivery("ASYNC", "OPENAPI", "ASYNC_WAIT"),
    Delivery("ASYNC_BATCH", "OPENAPI", "ASYNC_WAIT"),
]


def at_once(test: unittest.TestCase, deliveries: list[Delivery], check: Callable[[Delivery], None]) -> None:
    """Runs the check for each delivery, a few at a time: each has servers of its own."""
    with ThreadPoolExecutor(3) as pool:
        for delivery, running in [(delivery, pool.submit(check, delivery)) for delivery in deliveries]:
            with test.subTest(str(delivery)):
                running.result()


def recipe(gms: Gms, source: list[Path], **sink: Any) -> str:
    """Writes a recipe that carries `source` to this server, and says where it is. JSON, which is YAML too."""
    number = len(list(gms.home.glob("recipe-*")))
    directory = gms.home / f"source-{number}"
    directory.mkdir()
    for index, file in enumerate(source):
        shutil.copy(file, directory / f"{index:02}.json")
    path = gms.home / f"recipe-{number}.yml"
    config = {"server": gms.url, "token": "${INTEROP_TOKEN}", **sink}
    path.write_text(
        json.dumps(
            {
                "run_id": "interop",
                "pipeline_name": "interop",
                "source": {"type": "file", "config": {"path": str(directory)}},
                "sink": {"type": "datahub-rest", "config": config},
            }
        )
    )
    return str(path)


def ingest_with_python(gms: Gms, source: list[Path], delivery: Delivery) -> None:
    """Runs a recipe. This client waits only if its environment says so."""
    variables = {"INTEROP_TOKEN": gms.token}
    if delivery.emit_mode:
        variables["DATAHUB_EMIT_MODE"] = delivery.emit_mode
    path = recipe(gms, source, mode=delivery.mode, endpoint=delivery.endpoint)
    gms.run(DATAHUB, "ingest", "run", "--no-default-report", "--strict-warnings", "-c", path, **variables)


def ingest_with_emit(gms: Gms, source: list[Path], delivery: Delivery) -> dict[str, Any]:
    """Runs a recipe, and returns the report."""
    sink = {"mode": delivery.mode, "endpoint": delivery.endpoint}
    if delivery.emit_mode:
        sink["emit_mode"] = delivery.emit_mode
    report = gms.home / "report.json"
    path = recipe(gms, source, **sink)
    gms.run(PROGRAM, "ingest", "-c", path, "--report-to", str(report), INTEROP_TOKEN=gms.token)
    return json.loads(report.read_text())
