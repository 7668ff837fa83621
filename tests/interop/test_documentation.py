"""DataHub's page on personal access tokens, as a user of the Python client goes through it."""

import json
import unittest

import requests

from commands import CommandLine


class PersonalAccessTokens(CommandLine):
    seed = {
        "users": [{"name": "keeper", "password": "lido at night", "privileges": ["GENERATE_PERSONAL_ACCESS_TOKENS"]}],
        "policies": [
            {"name": "tags", "actors": {"users": ["keeper"]}, "privileges": ["EDIT_ENTITY"], "resources": {"types": ["tag"]}}
        ],
    }

    def setUp(self) -> None:
        super().setUp()
        self.browser = self.enterContext(requests.Session())
        self.browser.trust_env = False
        log_in = {"username": "keeper", "password": "lido at night"}
        self.browser.post(f"{self.gms.frontend}/logIn", json=log_in).raise_for_status()

    def ask(self, query: str) -> dict:
        answer = self.browser.post(f"{self.gms.frontend}/api/v2/graphql", json={"query": query})
        answer.raise_for_status()
        return answer.json()["data"]

    def ingest(self, entity_type: str, urn: str, *arguments: str) -> tuple[str, ...]:
        record = {"entityType": entity_type, "entityUrn": urn, "changeType": "UPSERT", "aspectName": "status"}
        source = {"type": "file", "config": {"path": self.file("record.json", [record | {"aspect": {"json": {"removed": False}}}])}}
        recipe = self.file("recipe.yml", {"run_id": "page", "source": source})
        return ("ingest", "run", *arguments, "--strict-warnings", "-c", recipe)

    def test_a_token_from_its_making_to_its_end(self) -> None:
        made = self.ask(
            'mutation { createAccessToken(input: {type: PERSONAL, actorUrn: "urn:li:corpuser:keeper", duration: ONE_HOUR,'
            ' name: "page"}) { accessToken metadata { id } } }'
        )["createAccessToken"]
        # Ingestion with it, as far as its user may write, at GMS and through the frontend's proxy.
        for number, server in enumerate((self.gms.url, f"{self.gms.frontend}/api/gms")):
            self.log_in(server, made["accessToken"])
            self.datahub(*self.ingest("tag", f"urn:li:tag:{number}", "--no-default-report"))
            self.assertEqual({"removed": False}, self.aspect(f"urn:li:tag:{number}", "status"))
        self.assertIn("403", self.datahub_fails(*self.ingest("domain", "urn:li:domain:d", "--no-default-report")))
        # The report of a run is about entities of other types, which this token may not write.
        self.assertIn("dataHubExecutionRequest", self.datahub_fails(*self.ingest("tag", "urn:li:tag:reported")))
        self.assertIsNone(self.aspect("urn:li:domain:d", "status"))

        self.assertTrue(self.ask(f"mutation {{ revokeAccessToken(tokenId: {json.dumps(made['metadata']['id'])}) }}")["revokeAccessToken"])
        self.assertIn("401", self.datahub_fails("get", "urn", "--urn", "urn:li:tag:0"))


if __name__ == "__main__":
    unittest.main()
