"""Transformers of the user's own, in Python, on a source of this program."""

import sys
from typing import Any

from datahub.emitter.mce_builder import make_dataset_urn

from commands import CommandLine
from embedded import PROGRAM

POOLS = make_dataset_urn("postgres", "lido.pools")
BROKEN = make_dataset_urn("postgres", "lido.broken")

TRANSFORMER = '''
from datahub.ingestion.transformer.base_transformer import BaseTransformer, SingleAspectTransformer


class Describe(BaseTransformer, SingleAspectTransformer):
    @classmethod
    def create(cls, config, context):
        return cls()

    def entity_types(self):
        return ["dataset"]

    def aspect_name(self):
        return "datasetProperties"

    def transform_aspect(self, entity_urn, aspect_name, aspect):
        if "broken" in entity_urn:
            raise ValueError("no description")
        aspect.description = "described"
        return aspect


def tags(*_):
    from datahub.metadata.schema_classes import TagAssociationClass

    return [TagAssociationClass(tag="urn:li:tag:called")]
'''


def record(urn: str) -> dict[str, Any]:
    change = {"entityType": "dataset", "entityUrn": urn, "changeType": "UPSERT"}
    return change | {"aspectName": "datasetProperties", "aspect": {"json": {"customProperties": {}, "tags": []}}}


class Transformers(CommandLine):
    def ingest(self, records: list[Any], transformers: list[dict[str, Any]]) -> Any:
        (self.gms.home / "lido_transformers.py").write_text(TRANSFORMER)
        source = {"type": "file", "config": {"path": self.file("in.json", records)}}
        recipe = self.file("lido.recipe.yml", {"source": source, "transformers": transformers})
        variables = {"PYTHONPATH": str(self.gms.home), "DATAHUB_EMIT_PYTHON": sys.executable}
        return self.gms.start(PROGRAM, "ingest", "-c", recipe, "--no-default-report", **variables)

    def test_a_class_changes_the_records(self) -> None:
        ended = self.ingest([record(POOLS)], [{"type": "lido_transformers.Describe", "config": {}}])
        self.assertEqual(0, ended.returncode, ended.stderr)
        self.assertEqual("described", self.aspect(POOLS, "datasetProperties")["description"])

    def test_a_callback_is_called(self) -> None:
        config = {"get_tags_to_add": "lido_transformers.tags"}
        ended = self.ingest([record(POOLS)], [{"type": "add_dataset_tags", "config": config}])
        self.assertEqual(0, ended.returncode, ended.stderr)
        self.assertEqual([{"tag": "urn:li:tag:called"}], self.aspect(POOLS, "globalTags")["tags"])

    def test_a_record_whose_transformer_fails_and_one_that_is_not_valid_cost_only_themselves(self) -> None:
        records = [{"not": "a record"}, record(BROKEN), record(POOLS)]
        ended = self.ingest(records, [{"type": "lido_transformers.Describe", "config": {}}])
        self.assertEqual(1, ended.returncode, ended.stderr)
        self.assertIn("a transformer fails: ValueError: no description", ended.stderr)
        self.assertIn("in.json#0", ended.stderr)
        self.assertEqual("described", self.aspect(POOLS, "datasetProperties")["description"])
        self.assertIsNone(self.aspect(BROKEN, "datasetProperties"))
        written = "".join(path.read_text() for path in self.gms.home.glob(".local/state/datahub-emit/*/dead-letters.jsonl"))
        self.assertIn("lido.broken", written)
        self.assertEqual([], list(self.gms.home.glob(".local/state/datahub-emit/*/source-records.json")))
