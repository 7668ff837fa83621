"""`datahub` and `datahub-emit` side by side, both told by ~/.datahubenv where GMS is."""

import json
import unittest

from datahub.emitter.mce_builder import make_dataset_urn

from clients import DATAHUB
from embedded import PROGRAM, Gms

# Letters beyond ASCII in a URN reach GMS as escapes when `datahub delete` sends them.
QUAY = make_dataset_urn("s3", "lido/quay 50% off?a=b#c")


class DatahubCommand(unittest.TestCase):
    def setUp(self) -> None:
        self.gms = self.enterContext(Gms())
        # JSON is YAML too.
        settings = {"gms": {"server": self.gms.url, "token": self.gms.token}}
        (self.gms.home / ".datahubenv").write_text(json.dumps(settings))

    def datahub(self, *arguments: str) -> str:
        return self.gms.run(DATAHUB, *arguments).stdout

    def emit(self, *arguments: str) -> str:
        return self.gms.run(PROGRAM, *arguments).stdout

    def file(self, name: str, value: object) -> str:
        path = self.gms.home / name
        path.write_text(json.dumps(value))
        return str(path)

    def test_put_get_and_delete(self) -> None:
        properties = {"customProperties": {"größe": "🏊"}, "name": "quay", "tags": []}
        put = self.datahub("put", "aspect", "--urn", QUAY, "-a", "datasetProperties", "-d", self.file("a.json", properties))
        self.assertIn("200", put)
        self.assertEqual(properties, json.loads(self.emit("get", QUAY, "--aspect", "datasetProperties"))["datasetProperties"])

        tags = {"tags": [{"tag": "urn:li:tag:lido-open"}]}
        self.emit("put", QUAY, "--aspect", "globalTags", "--data", self.file("b.json", tags))
        read = json.loads(self.datahub("get", "urn", "--urn", QUAY))
        self.assertEqual(properties, read["datasetProperties"])
        self.assertEqual(tags, read["globalTags"])

        self.datahub("delete", "--urn", QUAY, "--soft")
        self.assertEqual({"removed": True}, json.loads(self.datahub("get", "urn", "--urn", QUAY, "-a", "status"))["status"])
        self.datahub("delete", "--urn", QUAY, "--hard", "--force")
        self.assertEqual({}, self.gms.rows())

    def test_a_recipe_without_a_sink(self) -> None:
        record = {
            "entityType": "dataset",
            "entityUrn": QUAY,
            "changeType": "UPSERT",
            "aspectName": "status",
            "aspect": {"json": {"removed": False}},
        }
        source = {"type": "file", "config": {"path": self.file("record.json", [record])}}
        recipe = self.file("recipe.yml", {"run_id": "interop", "source": source})
        self.datahub("ingest", "run", "--no-default-report", "-c", recipe)
        theirs = self.gms.rows()
        self.datahub("delete", "--urn", QUAY, "--hard", "--force")
        self.emit("ingest", "-c", recipe)
        self.assertEqual(theirs, self.gms.rows())
        self.assertIn((QUAY, "status", 0), theirs)


if __name__ == "__main__":
    unittest.main()
