"""`datahub` and `datahub-emit` side by side, both told by ~/.datahubenv where GMS is."""

import json
import sys
import unittest

from datahub.emitter.mce_builder import make_dataset_urn
from datahub.emitter.mcp import MetadataChangeProposalWrapper
from datahub.metadata.schema_classes import DatasetProfileClass

from clients import graph
from commands import CommandLine
from embedded import PROGRAM

# Non-ASCII characters in a URN reach GMS as escapes when `datahub delete` sends them.
QUAY = make_dataset_urn("s3", "lido/quay 50% off?a=b#c")

# Prints what `datahub init` has written.
SETTINGS = "import json, pathlib, yaml; print(json.dumps(yaml.safe_load((pathlib.Path.home() / '.datahubenv').read_text())))"


class DatahubCommand(CommandLine):
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

    def test_what_it_looks_at(self) -> None:
        config = self.datahub("check", "server-config")
        self.assertIn("'noCode': 'true'", config)
        self.assertIn("'statefulIngestionCapable': True", config)

        not_found = self.datahub_fails("get", "urn", "--urn", QUAY)
        self.assertIn(f"urn {QUAY} not found", not_found)
        self.assertIn("not found", self.datahub_fails("get", "urn", "--urn", QUAY, "-a", "status"))
        self.assertEqual("false", self.datahub("exists", "urn", "--urn", QUAY).strip())

        with graph(self.gms) as client:
            for rows in (1, 2):
                profile = DatasetProfileClass(timestampMillis=rows * 1000, rowCount=rows)
                client.emit_mcp(MetadataChangeProposalWrapper(entityUrn=QUAY, aspect=profile))
        self.assertEqual("true", self.datahub("exists", "urn", "--urn", QUAY).strip())
        read = json.loads(self.datahub("get", "urn", "--urn", QUAY, "-a", "datasetProfile", "-a", "datasetKey"))
        self.assertEqual({"datasetKey", "datasetProfile"}, set(read))
        self.assertEqual(2, read["datasetProfile"]["rowCount"])
        self.assertEqual("s3", read["datasetKey"]["platform"].rsplit(":", 1)[1])
        details = json.loads(self.datahub("get", "urn", "--urn", QUAY, "-a", "datasetKey", "--details"))["datasetKey"]
        self.assertEqual({"created", "systemMetadata", "value"}, set(details))

    def test_what_it_puts_bears_its_run(self) -> None:
        put = ("put", "aspect", "--urn", QUAY, "-a", "status", "--run-id", "by hand")
        self.datahub(*put, "-d", self.file("status.json", {"removed": False}))
        self.assertEqual("by hand", self.gms.rows()[QUAY, "status", 0][1]["runId"])
        logo = "https://example.org/logo.png"
        put = ("put", "platform", "--name", "Pump", "--display_name", "The pump", "--logo", logo, "--run-id", "by hand")
        self.assertIn("Successfully wrote data platform metadata for urn:li:dataPlatform:pump", self.datahub(*put))
        info, system_metadata = self.gms.rows()["urn:li:dataPlatform:pump", "dataPlatformInfo", 0]
        self.assertEqual(("The pump", logo), (info["displayName"], info["logoUrl"]))
        self.assertEqual("by hand", system_metadata["runId"])

    def test_indices_are_restored(self) -> None:
        urns = self.gms.home / "urns.txt"
        urns.write_text(f"{QUAY}\nurn:li:tag:%\n")
        self.datahub("check", "restore-indices", "--urn", "urn:li:dataset:%", "--aspect", "status", "--batch-size", "10")
        self.datahub("check", "restore-indices", "--file", str(urns))
        self.assertEqual(3, len([one for one in self.gms.requests() if one["path"].startswith("/operations")]))

    def test_init_makes_a_token_of_a_password(self) -> None:
        password = self.gms.home / "password"
        password.write_text("lido at night")
        add = (PROGRAM, "gms", "user", "add", "keeper", "--data", str(self.gms.data), "--password-file", str(password))
        self.gms.run(*add, "--privilege", "GENERATE_PERSONAL_ACCESS_TOKENS")
        init = ("init", "--force", "--username", "keeper", "--host", self.gms.frontend, "--password")
        self.assertIn("400 Client Error: Bad Request", self.datahub_fails(*init, "wrong"))
        self.assertIn("Generated token (expires: ONE_MONTH)", self.datahub(*init, "lido at night"))
        written = json.loads(self.gms.run(sys.executable, "-c", SETTINGS).stdout)
        self.assertEqual(self.gms.frontend, written["gms"]["server"])
        me = self.gms.get("/config?verbose=true", token=written["gms"]["token"])
        self.assertEqual("user", me["userType"])
        self.assertIn("keeper", json.dumps(self.gms.get("/entitiesV2/urn:li:corpuser:keeper", token=written["gms"]["token"])))

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
        self.emit("ingest", "--no-default-report", "-c", recipe)
        self.assertEqual(theirs, self.gms.rows())
        self.assertIn((QUAY, "status", 0), theirs)


if __name__ == "__main__":
    unittest.main()
