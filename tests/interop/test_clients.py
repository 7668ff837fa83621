"""The Python client and datahub-emit carry the same files to the same kind of server, and it ends up holding the same.

The embedded GMS shares no encoding with datahub-emit's own client, so what both clients agree on is DataHub's protocol
and not a private one.
"""

import json
import sys
import unittest
import urllib.error
from pathlib import Path
from typing import Any, Iterator

from datahub.emitter.mce_builder import make_dataset_urn
from datahub.emitter.serialization_helper import pre_json_transform
from datahub.ingestion.graph.client import DataHubGraph
from datahub.ingestion.graph.config import DatahubClientConfig
from datahub.metadata.schema_classes import (
    ASPECT_NAME_MAP,
    CorpUserInfoClass,
    GlossaryTermInfoClass,
    SchemaMetadataClass,
    StatusClass,
    UpstreamLineageClass,
)

from embedded import PROGRAM, ROOT, WAREHOUSE, Gms

DATAHUB = str(Path(sys.executable).with_name("datahub"))
FACT_ORDERS = make_dataset_urn("snowflake", "nordlys.marts.fct_orders")
REMOVED = make_dataset_urn("snowflake", "nordlys.marts.daily_sales_old")
# Written as a snapshot, with tagged nullable fields.
OLD_FORM = make_dataset_urn("postgres", "shop.public.orders")


def records() -> Iterator[dict[str, Any]]:
    for file in sorted(WAREHOUSE.glob("*.json")):
        yield from json.loads(file.read_text(encoding="utf-8"))


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value


def is_timeseries(aspect: str) -> bool:
    return ASPECT_NAME_MAP[aspect].get_aspect_type() == "timeseries"


def urns() -> set[str]:
    found = set()
    for record in records():
        snapshot = record.get("proposedSnapshot")
        found.add(next(iter(snapshot.values()))["urn"] if snapshot else record["entityUrn"])
    return found


def proposals() -> dict[tuple[str, str], Any]:
    """The last value of each versioned aspect that the fixture holds as a proposal (snapshots aside)."""
    latest = {}
    for record in records():
        if "proposedSnapshot" in record or is_timeseries(record["aspectName"]):
            continue
        aspect = record["aspect"]
        value = aspect["json"] if "json" in aspect else json.loads(aspect["value"])
        latest[record["entityUrn"], record["aspectName"]] = without_nulls(value)
    return latest


def ingest_with_python(gms: Gms, **sink: Any) -> None:
    gms.run(
        DATAHUB, "ingest", "run", "--no-default-report", "--strict-warnings", "-c", gms.recipe(**sink), INTEROP_TOKEN=gms.token
    )


def ingest_with_emit(gms: Gms, **sink: Any) -> dict[str, Any]:
    report = gms.home / "report.json"
    gms.run(PROGRAM, "ingest", "-c", gms.recipe(**sink), "--report-to", str(report), INTEROP_TOKEN=gms.token)
    return json.loads(report.read_text())


class PythonClient(unittest.TestCase):
    """What the Python client writes, it reads back."""

    def check(self, **sink: Any) -> None:
        with Gms() as gms:
            ingest_with_python(gms, **sink)
            with DataHubGraph(DatahubClientConfig(server=gms.url, token=gms.token)) as graph:
                for urn in sorted(urns()):
                    with self.subTest(urn=urn):
                        self.assertTrue(graph.exists(urn))
                self.assertFalse(graph.exists(make_dataset_urn("snowflake", "never.written")))

                schema = graph.get_aspect(FACT_ORDERS, SchemaMetadataClass)
                self.assertEqual(7, len(schema.fields))
                self.assertEqual(["ORDER_ID"], schema.primaryKeys)
                lineage = graph.get_aspect(FACT_ORDERS, UpstreamLineageClass)
                self.assertEqual(2, len(lineage.upstreams))
                self.assertEqual(1.0, lineage.fineGrainedLineages[1].confidenceScore)
                self.assertTrue(graph.get_aspect(REMOVED, StatusClass).removed)
                self.assertIsNone(graph.get_aspect(FACT_ORDERS, GlossaryTermInfoClass))
                user = graph.get_aspect("urn:li:corpuser:yuki.tanaka", CorpUserInfoClass)
                self.assertEqual("田中 由紀", user.displayName)

    def test_default_mode(self) -> None:
        self.check()

    def test_sync_mode(self) -> None:
        self.check(mode="SYNC")


class BothClients(unittest.TestCase):
    """Both clients leave the same behind."""

    def test_equal_stores(self) -> None:
        with Gms() as theirs, Gms() as ours:
            ingest_with_python(theirs)
            report = ingest_with_emit(ours)

            counts = report["proposals"]
            self.assertEqual("delivered", report["outcome"])
            self.assertEqual(counts["read"], counts["delivered"])
            self.assertEqual(0, report["source"]["invalid"])

            for urn in sorted(urns()):
                with self.subTest(urn=urn):
                    self.assertEqual(theirs.aspects(urn), ours.aspects(urn))

            for (urn, aspect), expected in proposals().items():
                with self.subTest(urn=urn, aspect=aspect):
                    self.assertEqual(expected, ours.aspects(urn)[aspect])

    def test_snapshots_lose_their_tags(self) -> None:
        with Gms() as gms:
            ingest_with_emit(gms)
            description = gms.aspects(OLD_FORM)["datasetProperties"]["description"]
            self.assertEqual("One row for each order, updated in place as it moves on.", description)
            dashboard = gms.aspects("urn:li:dashboard:(looker,dashboards.9)")["dashboardInfo"]
            self.assertEqual("a property whose name is a type's", dashboard["customProperties"]["string"])

    def test_the_python_client_reads_what_we_wrote(self) -> None:
        with Gms() as gms:
            ingest_with_emit(gms)
            with DataHubGraph(DatahubClientConfig(server=gms.url, token=gms.token)) as graph:
                for (urn, aspect), expected in proposals().items():
                    with self.subTest(urn=urn, aspect=aspect):
                        read = graph.get_aspect(urn, ASPECT_NAME_MAP[aspect])
                        self.assertEqual(expected, pre_json_transform(read.to_obj()))


class Authentication(unittest.TestCase):
    """The server under test is no open door."""

    def test_foreign_tokens_are_refused(self) -> None:
        with Gms() as gms:
            for file in sorted((ROOT / "fixtures" / "tokens").glob("*.*")):
                if file.suffix == ".md":
                    continue
                with self.subTest(token=file.name):
                    with self.assertRaises(urllib.error.HTTPError) as refused:
                        gms.get("/entitiesV2/urn%3Ali%3Acorpuser%3Adatahub", token=file.read_text().strip())
                    self.assertEqual(401, refused.exception.code)
                    refused.exception.close()


if __name__ == "__main__":
    unittest.main()
