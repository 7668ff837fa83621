"""Ingestion runs: what `datahub ingest` tells the server of them, and how they are listed, shown and taken back."""

import json
import unittest
from typing import Any

from datahub.emitter.mce_builder import make_dataset_urn

from commands import CommandLine

POOLS = make_dataset_urn("postgres", "lido.pools")
TICKETS = make_dataset_urn("postgres", "lido.tickets")


def record(urn: str, aspect: str, value: Any) -> dict[str, Any]:
    change = {"entityType": "dataset", "entityUrn": urn, "changeType": "UPSERT"}
    return change | {"aspectName": aspect, "aspect": {"json": value}}


class Runs(CommandLine):
    def ingest(self, name: str, records: list[dict[str, Any]], *arguments: str, **source: Any) -> None:
        """Runs a recipe of the Python client whose run, and whose pipeline, has that name."""
        config = {"path": self.file(f"{name}.json", records)} | source
        written = {"run_id": name, "pipeline_name": "lido", "source": {"type": "file", "config": config}}
        self.datahub("ingest", "run", *arguments, "--strict-warnings", "-c", self.file(f"{name}.recipe.yml", written))

    def two_runs(self) -> None:
        """The first makes a data set; the second changes it, and makes another."""
        self.ingest("first", [record(POOLS, "datasetProperties", {"name": "one", "customProperties": {}, "tags": []})], "--no-default-report")
        second = [record(urn, "datasetProperties", {"name": "two", "customProperties": {}, "tags": []}) for urn in (POOLS, TICKETS)]
        self.ingest("second", second, "--no-default-report")

    def test_listed_shown_and_taken_back(self) -> None:
        self.two_runs()
        listed = self.datahub("ingest", "list-runs")
        rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in listed.splitlines() if line.startswith("|")]
        # The key of the first data set is of the first run still; its properties are of the second.
        self.assertEqual([["second", "3"], ["first", "1"]], [row for row in rows if row[0] in ("first", "second")])
        second_page = self.datahub("ingest", "list-runs", "1", "1")
        self.assertIn("| first ", second_page)
        self.assertNotIn("| second ", second_page)

        shown = self.datahub("ingest", "show", "--run-id", "second")
        self.assertEqual((3, 2), (shown.count("lido."), shown.count(TICKETS)))
        with_aspects = self.datahub("ingest", "show", "--run-id", "second", "--show-aspect", "--count", "1")
        self.assertEqual("two", json.loads(with_aspects)["aspect"]["name"])

        dry = self.datahub("ingest", "rollback", "--run-id", "second", "--dry-run")
        self.assertIn("will delete 2 entities and will roll back 2 aspects", dry)
        self.assertEqual("two", self.aspect(POOLS, "datasetProperties")["name"])
        self.datahub("ingest", "rollback", "--run-id", "second", "--force")
        self.assertEqual("one", self.aspect(POOLS, "datasetProperties")["name"])
        self.assertEqual({"removed": True}, self.aspect(TICKETS, "status"))

    def test_taken_back_for_good(self) -> None:
        self.two_runs()
        nuked = self.datahub("ingest", "rollback", "--run-id", "first", "--nuke", "--force")
        self.assertIn("WARNING: This rollback has deleted 1 aspects related to 1 entities", nuked)
        self.assertEqual({TICKETS}, {urn for urn, *_ in self.gms.rows()})
        reports = list(self.gms.home.glob("rollback-reports/*/unsafe_entities.csv"))
        self.assertEqual(["urn", POOLS], reports[0].read_text().replace('"', "").split())

    def test_what_is_reported_of_a_run(self) -> None:
        self.ingest("reported", [record(POOLS, "status", {"removed": False})])
        request = "urn:li:dataHubExecutionRequest:reported"
        asked = self.aspect(request, "dataHubExecutionRequestInput")
        self.assertEqual(("CLI Ingestion", "__datahub_cli_"), (asked["task"], asked["executorId"]))
        source = asked["source"]["ingestionSource"]
        self.assertTrue(source.startswith("urn:li:dataHubIngestionSource:cli-"), source)
        self.assertEqual("[CLI] file [lido]", self.aspect(source, "dataHubIngestionSourceInfo")["name"])
        result = self.aspect(request, "dataHubExecutionRequestResult")
        self.assertEqual(("SUCCESS", "CLI_INGEST"), (result["status"], result["structuredReport"]["type"]))
        self.assertEqual(1, json.loads(result["structuredReport"]["serializedValue"])["source"]["report"]["events_produced"])
        self.assertNotIn(self.gms.token, json.dumps([value for value, _ in self.gms.rows().values()]))

    def test_state_of_a_pipeline(self) -> None:
        state = {"stateful_ingestion": {"enabled": True, "remove_stale_metadata": True, "fail_safe_threshold": 100}}
        records = [record(urn, "datasetProperties", {"customProperties": {}, "tags": []}) for urn in (POOLS, TICKETS)]
        self.ingest("monday", records, "--no-default-report", **state)
        inspect = ("state", "inspect", "--pipeline-name", "lido", "--platform", "default")
        self.assertEqual({POOLS, TICKETS}, set(json.loads(self.datahub(*inspect))))
        # Entities that are missing on the next day are soft-deleted.
        self.ingest("tuesday", records[:1], "--no-default-report", **state)
        self.assertEqual([POOLS], json.loads(self.datahub(*inspect)))
        self.assertEqual([{"removed": False}, {"removed": True}], [self.aspect(urn, "status") for urn in (POOLS, TICKETS)])
        jobs = {urn for urn, aspect, _ in self.gms.rows() if aspect == "datahubIngestionCheckpoint"}
        self.assertEqual(1, len(jobs))
        self.assertTrue(all(self.aspect(job, "status")["removed"] for job in jobs))
        self.assertIn("No ingestion state found", self.datahub_fails("state", "inspect", "--pipeline-name", "x", "--platform", "default"))


if __name__ == "__main__":
    unittest.main()
