"""The same recipe with a Python source, run by `datahub ingest` and by `datahub-emit ingest`, leaves the same in GMS."""

import contextlib
import json
import os
import sqlite3
import sys
import unittest
from collections import defaultdict
from pathlib import Path
from typing import Any, Callable

from clients import DATAHUB
from embedded import PROGRAM, STARTED, Gms
from postgres import Postgres

STATEFUL = {"enabled": True, "remove_stale_metadata": True, "fail_safe_threshold": 100}

#: These tests run with `tests/interop/run --all`.
in_all = unittest.skipUnless(os.environ.get("INTEROP_ALL"), "runs with --all")


def without_times(value: Any) -> Any:
    """A value with the moments of a run, in milliseconds, replaced."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_times(item) for item in value]
    is_moment = isinstance(value, int) and not isinstance(value, bool) and value > STARTED
    return "a moment of the run" if is_moment else value


def stored(gms: Gms) -> dict[tuple[str, str], list[Any]]:
    """Per entity and aspect, what GMS has: all versions, or all values of a time series in their order."""
    found = defaultdict(list)
    for (urn, aspect, which), (value, system) in sorted(gms.rows().items()):
        value = dict(value)
        if aspect == "datahubIngestionCheckpoint":
            # The client's version, and the recipe, which contains the address of its GMS.
            value.pop("config", None)
        is_version = which < 1000
        found[urn, aspect].append((which if is_version else None, without_times(value), without_times(system)))
    return dict(found)


class Sources(unittest.TestCase):
    maxDiff = 8000

    def ingest(self, gms: Gms, number: int, source: dict[str, Any], pipeline: dict[str, Any], *command: str) -> None:
        recipe = {
            "run_id": f"run-{number}",
            "pipeline_name": "shop",
            "source": source,
            "sink": {"type": "datahub-rest", "config": {"server": gms.url, "token": "${INTEROP_TOKEN}"}},
            **pipeline,
        }
        path = gms.home / "recipe.yml"
        path.write_text(json.dumps(recipe))
        gms.run(*command, "-c", str(path), "--no-default-report", INTEROP_TOKEN=gms.token)

    def both(self, source: dict[str, Any], *changes: Callable[[], None], files: dict[str, str] | None = None, also_stamped: tuple[tuple[str, str], ...] = (), **pipeline: Any) -> dict[tuple[str, str], list[Any]]:
        """Runs both clients, and again after each change. Returns what both have stored: the same, except for the
        run's id in the system metadata of aspects in `also_stamped`."""
        with Gms() as theirs, Gms() as ours:
            for name, text in (files or {}).items():
                for gms in (theirs, ours):
                    (gms.home / name).write_text(text)
            for number, change in enumerate([None, *changes]):
                if change:
                    change()
                self.ingest(theirs, number, source, pipeline, DATAHUB, "ingest", "run")
                self.ingest(ours, number, source, pipeline, PROGRAM, "ingest", "--python", sys.executable)
            expected, actual = stored(theirs), stored(ours)
        self.assertEqual(sorted(expected), sorted(actual))
        for key, value in expected.items():
            if key in also_stamped:
                # Python sends what a transformer adds without the run's id, so a rollback does not find it.
                self.assertEqual({"no-run-id-provided"}, {system["runId"] for _, _, system in value})
                self.assertNotIn("no-run-id-provided", {system["runId"] for _, _, system in actual[key]})
                value, found = ([version[:2] for version in versions] for versions in (value, actual[key]))
                self.assertEqual(value, found, key)
                continue
            self.assertEqual(value, actual[key], key)
        return actual

    def removed(self, found: dict[tuple[str, str], list[Any]], platform: str) -> dict[str, bool]:
        """Which tables are marked as removed."""
        return {
            urn.split(",")[1].split(".")[-1]: next(value["removed"] for which, value, _ in versions if which == 0)
            for (urn, aspect), versions in found.items()
            if aspect == "status" and urn.startswith(f"urn:li:dataset:(urn:li:dataPlatform:{platform},")
        }

    def test_sqlite_with_a_table_that_disappears(self) -> None:
        with Gms() as owner:
            database = owner.home / "shop.db"

            def sql(script: str) -> None:
                with contextlib.closing(sqlite3.connect(database)) as connection:
                    connection.executescript(script)

            sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT); CREATE TABLE customers (id INTEGER, name TEXT NOT NULL);")
            sql("CREATE VIEW big_orders AS SELECT id FROM orders WHERE id > 1000;")
            config = {"connect_uri": f"sqlite:///{database}", "platform": "sqlite", "stateful_ingestion": STATEFUL}
            found = self.both({"type": "sqlalchemy", "config": config}, lambda: sql("DROP TABLE customers;"))
        self.assertEqual({"orders": False, "big_orders": False, "customers": True}, self.removed(found, "sqlite"))
        self.assertTrue(any(aspect == "datahubIngestionCheckpoint" for _, aspect in found))

    def test_postgres_with_a_table_that_disappears(self) -> None:
        with Postgres() as server:
            server.sql(
                "shop",
                "CREATE TABLE orders (id serial PRIMARY KEY, note text, price numeric(10, 2) NOT NULL)",
                "COMMENT ON TABLE orders IS 'Bestellungen, straßenweise'",
                "CREATE TABLE customers (id bigint, name varchar(80))",
                "CREATE VIEW big_orders AS SELECT id, note FROM orders WHERE price > 100",
            )
            config = {
                "host_port": f"127.0.0.1:{server.port}",
                "database": "shop",
                "username": "loader",
                "schema_pattern": {"allow": ["public"]},
                "profiling": {"enabled": False},
                "stateful_ingestion": STATEFUL,
            }
            found = self.both({"type": "postgres", "config": config}, lambda: server.sql("shop", "DROP TABLE customers"))
        self.assertEqual({"orders": False, "big_orders": False, "customers": True}, self.removed(found, "postgres"))
        self.assertTrue(any(aspect == "viewProperties" for _, aspect in found))

    @in_all
    def test_a_business_glossary(self) -> None:
        glossary = {
            "version": 1,
            "source": "interop",
            "owners": {"users": ["mjames"]},
            "nodes": [
                {
                    "name": "Classification",
                    "description": "How sensitive data is",
                    "terms": [
                        {"name": "Sensitive", "description": "Not for everyone"},
                        {"name": "Public", "description": "For everyone", "custom_properties": {"is_confidential": "false"}},
                    ],
                }
            ],
        }
        files = {"glossary.yml": json.dumps(glossary)}
        found = self.both({"type": "datahub-business-glossary", "config": {"file": "glossary.yml"}}, files=files)
        self.assertEqual(2, sum(aspect == "glossaryTermInfo" for _, aspect in found))

    @in_all
    def test_a_csv_that_adds_to_what_datahub_has(self) -> None:
        urn = "urn:li:dataset:(urn:li:dataPlatform:sqlite,main.orders,PROD)"
        line = f'"{urn}",,[urn:li:glossaryTerm:Sensitive],[urn:li:tag:%s],[urn:li:corpuser:mjames],TECHNICAL_OWNER,All orders,urn:li:domain:shop'
        head = "resource,subresource,glossary_terms,tags,owners,ownership_type,description,domain"
        with Gms() as owner:
            csv = owner.home / "orders.csv"
            csv.write_text(f"{head}\n{line % 'Legacy'}\n")
            config = {"filename": str(csv), "write_semantics": "PATCH", "delimiter": ",", "array_delimiter": "|"}
            # The second run has to read the tag of the first from GMS.
            found = self.both(
                {"type": "csv-enricher", "config": config}, lambda: csv.write_text(f"{head}\n{line % 'Audited'}\n") and None
            )
        tags = found[urn, "globalTags"]
        latest = next(value for which, value, _ in tags if which == 0)
        self.assertEqual(["urn:li:tag:Legacy", "urn:li:tag:Audited"], [tag["tag"] for tag in latest["tags"]])

    @in_all
    def test_a_source_class_and_a_transformer_class_of_the_user(self) -> None:
        transformers = [
            {"type": "shop_source.Described", "config": {}},
            {"type": "simple_add_dataset_tags", "config": {"tag_urns": ["urn:li:tag:Shop"], "semantics": "PATCH"}},
        ]
        found = self.both(
            {"type": "shop_source.ShopSource", "config": {"tables": 3}},
            files={"shop_source.py": SHOP_SOURCE},
            also_stamped=(("urn:li:tag:Shop", "tagKey"),),
            transformers=transformers,
        )
        self.assertEqual(3, sum(aspect == "globalTags" for _, aspect in found))
        descriptions = {value["description"] for (_, aspect), versions in found.items() if aspect == "datasetProperties" for _, value, _ in versions}
        self.assertEqual({"described by a transformer"}, descriptions)


SHOP_SOURCE = '''
from datahub.configuration.common import ConfigModel
from datahub.emitter.mce_builder import make_dataset_urn
from datahub.emitter.mcp import MetadataChangeProposalWrapper
from datahub.ingestion.api.source import Source, SourceReport
from datahub.ingestion.api.transform import Transformer
from datahub.ingestion.api.workunit import MetadataWorkUnit
from datahub.metadata.schema_classes import DatasetPropertiesClass, DatasetSnapshotClass, MetadataChangeEventClass, StatusClass


class ShopConfig(ConfigModel):
    tables: int


class ShopSource(Source):
    def __init__(self, config, ctx):
        super().__init__(ctx)
        self.config = config
        self.report = SourceReport()

    @classmethod
    def create(cls, config_dict, ctx):
        return cls(ShopConfig.model_validate(config_dict), ctx)

    def get_workunits_internal(self):
        print("a line on standard output, which is no place for messages")
        for number in range(self.config.tables):
            urn = make_dataset_urn("shop", "table%d" % number)
            yield MetadataChangeProposalWrapper(entityUrn=urn, aspect=DatasetPropertiesClass(name="table%d" % number)).as_workunit()
            snapshot = DatasetSnapshotClass(urn=urn, aspects=[StatusClass(removed=False)])
            yield MetadataWorkUnit("snapshot-%d" % number, mce=MetadataChangeEventClass(proposedSnapshot=snapshot))

    def get_report(self):
        return self.report


class Described(Transformer):
    @classmethod
    def create(cls, config_dict, ctx):
        return cls()

    def transform(self, record_envelopes):
        for envelope in record_envelopes:
            aspect = getattr(envelope.record, "aspect", None)
            if isinstance(aspect, DatasetPropertiesClass):
                aspect.description = "described by a transformer"
            yield envelope
'''


if __name__ == "__main__":
    unittest.main()
