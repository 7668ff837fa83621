"""Stateful ingestion: both clients take turns in one pipeline, and neither removes what the source still has."""

import json
import os
import random
from typing import Any

from datahub.emitter.mce_builder import make_dataset_urn

from commands import CommandLine

# Sequences of runs, each with a seed of its own.
SEQUENCES = int(os.environ.get("INTEROP_SEQUENCES", "2"))
RUNS = 6
NAMES = [f"lido.table{number}" for number in range(8)]


def record(name: str) -> dict[str, Any]:
    change = {"entityType": "dataset", "entityUrn": make_dataset_urn("postgres", name), "changeType": "UPSERT"}
    return change | {"aspectName": "datasetProperties", "aspect": {"json": {"name": name, "customProperties": {}, "tags": []}}}


class State(CommandLine):
    def ingest(self, client: str, names: list[str]) -> None:
        state = {"enabled": True, "fail_safe_threshold": 100}
        source = {"path": self.file("in.json", [record(name) for name in names]), "stateful_ingestion": state}
        recipe = self.file("state.recipe.yml", {"pipeline_name": "lido", "source": {"type": "file", "config": source}})
        (self.datahub if client == "datahub" else self.emit)("ingest", "run", "-c", recipe)

    def visible(self) -> set[str]:
        """The tables that are there and not marked as removed."""
        status = {name: self.aspect(make_dataset_urn("postgres", name), "status") for name in NAMES}
        return {name for name, value in status.items() if value and not value["removed"]}

    def test_both_clients_take_turns(self) -> None:
        for seed in range(SEQUENCES):
            choice = random.Random(seed)
            with self.subTest(seed=seed):
                for run in range(RUNS):
                    names = sorted(choice.sample(NAMES, choice.randint(1, len(NAMES))))
                    choice.shuffle(names)
                    # Each client follows on itself and on the other one.
                    client = ["datahub", "datahub-emit", "datahub-emit", "datahub"][(run + seed) % 4]
                    self.ingest(client, names)
                    self.assertEqual(set(names), self.visible(), f"run {run} by {client}")

    def test_the_checkpoint_is_the_same(self) -> None:
        """Byte for byte, the time and the run id aside."""
        written = []
        for client in ("datahub", "datahub-emit"):
            self.ingest(client, ["lido.table3", "lido.table1", "lido.größe,(x)"])
            rows = [row for (urn, aspect, _), row in self.gms.rows().items() if aspect == "datahubIngestionCheckpoint"]
            checkpoint = max((value for value, _ in rows), key=lambda value: value["timestampMillis"])
            written.append({name: value for name, value in checkpoint.items() if name not in ("timestampMillis", "runId")})
        self.assertEqual(json.dumps(written[0], sort_keys=True), json.dumps(written[1], sort_keys=True))
