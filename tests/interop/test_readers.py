"""Readers: DataHub's search, lineage and relationships, by the commands and the SDK of the Python client, on the warehouse."""

import json
import logging
import unittest
from typing import Any

from datahub.ingestion.graph.client import DataHubGraph
from datahub.sdk.main_client import DataHubClient
from datahub.sdk.search_filters import FilterDsl

from clients import DATAHUB, DELIVERIES, files, graph, ingest_with_emit
from embedded import Gms

ORDERS = "urn:li:dataset:(urn:li:dataPlatform:postgres,shop.public.orders,PROD)"
RAW_ORDERS = "urn:li:dataset:(urn:li:dataPlatform:snowflake,nordlys.raw.orders,PROD)"
FACTS = "urn:li:dataset:(urn:li:dataPlatform:snowflake,nordlys.marts.fct_orders,PROD)"
PII = "urn:li:tag:pii"


class Readers(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        # It warns about every search of more than two hops.
        logging.getLogger("datahub.sdk").setLevel(logging.ERROR)
        cls.gms = cls.enterClassContext(Gms())
        ingest_with_emit(cls.gms, files(), DELIVERIES[0])
        cls.graph = cls.enterClassContext(graph(cls.gms))
        cls.client = DataHubClient(graph=cls.graph)

    def datahub(self, *arguments: str) -> Any:
        """A command of `datahub` that prints JSON."""
        settings = {"DATAHUB_GMS_URL": self.gms.url, "DATAHUB_GMS_TOKEN": self.gms.token}
        return json.loads(self.gms.run(DATAHUB, *arguments, **settings).stdout)

    def test_the_search_command_finds_and_counts(self) -> None:
        where = "entity_type = dataset AND platform = snowflake"
        found = self.datahub("search", "orders", "--where", where, "--limit", "50", "--format", "json")
        urns = {result["entity"]["urn"] for result in found["searchResults"]}
        self.assertIn(FACTS, urns)
        self.assertTrue(all("dataPlatform:snowflake" in urn for urn in urns), urns)
        facets = {facet["field"]: facet["aggregations"] for facet in found["facets"]}
        self.assertEqual({value["value"] for value in facets["platform"]}, {"urn:li:dataPlatform:snowflake"})
        self.assertEqual(sum(value["count"] for value in facets["_entityType"]), found["total"])

    def test_the_lineage_command_follows_hops(self) -> None:
        found = self.datahub("lineage", "--urn", ORDERS, "--direction", "downstream", "--hops", "3", "--format", "json")
        text = json.dumps(found)
        self.assertIn(RAW_ORDERS, text)
        self.assertIn("urn:li:chart:", json.dumps(self.lineage(FACTS, "downstream")))

    def lineage(self, urn: str, direction: Any, **more: Any) -> dict[str, int]:
        found = self.client.lineage.get_lineage(source_urn=urn, direction=direction, **more)
        return {one.urn: one.hops for one in found}

    def test_get_lineage_agrees_in_both_directions(self) -> None:
        downstream = self.lineage(ORDERS, "downstream", max_hops=3)
        self.assertEqual(downstream[RAW_ORDERS], 1)
        for urn, hops in downstream.items():
            with self.subTest(urn):
                self.assertEqual(self.lineage(urn, "upstream", max_hops=3).get(ORDERS), hops)
        self.assertEqual(set(self.lineage(ORDERS, "downstream", max_hops=1)), {u for u, n in downstream.items() if n == 1})
        jobs = self.lineage(ORDERS, "downstream", max_hops=3, filter=FilterDsl.entity_type("DATA_JOB"))
        self.assertEqual(jobs, {urn: hops for urn, hops in downstream.items() if urn.startswith("urn:li:dataJob:")})

    def test_search_filters_of_the_sdk(self) -> None:
        for expected, filters in [
            ("urn:li:dataset:", FilterDsl.entity_type("dataset")),
            ("urn:li:chart:(looker", FilterDsl.and_(FilterDsl.entity_type("chart"), FilterDsl.platform("looker"))),
        ]:
            urns = [str(urn) for urn in self.client.search.get_urns(filter=filters)]
            self.assertTrue(urns and all(urn.startswith(expected) for urn in urns), urns)
        both = FilterDsl.and_(FilterDsl.entity_type("dataset"), FilterDsl.tag(PII))
        tagged = {str(urn) for urn in self.client.search.get_urns(filter=both)}
        stored = {urn: json.dumps(self.gms.aspects(urn).get("globalTags", {})) for urn in self.datasets()}
        self.assertEqual(tagged, {urn for urn, tags in stored.items() if PII in tags})

    def datasets(self) -> list[str]:
        return list(self.graph.get_urns_by_filter(entity_types=["dataset"]))

    def test_related_entities_are_those_of_the_aspects(self) -> None:
        direction = DataHubGraph.RelationshipDirection
        for urn in self.datasets():
            aspect = self.gms.aspects(urn).get("upstreamLineage", {"upstreams": []})
            expected = {upstream["dataset"] for upstream in aspect["upstreams"]}
            related = self.graph.get_related_entities(urn, ["DownstreamOf"], direction.OUTGOING)
            with self.subTest(urn):
                self.assertEqual({one.urn for one in related}, expected)
            for upstream in expected:
                back = self.graph.get_related_entities(upstream, ["DownstreamOf"], direction.INCOMING)
                self.assertIn(urn, {one.urn for one in back})

    def test_schemas_of_many_data_sets(self) -> None:
        schemas = dict(self.graph._bulk_fetch_schema_info_by_filter(platform="snowflake"))
        stored = {field["fieldPath"] for field in self.gms.aspects(FACTS)["schemaMetadata"]["fields"]}
        self.assertEqual({field["fieldPath"] for field in schemas[FACTS]["fields"]}, stored)

    def test_a_tag_is_removed_by_the_graph_client(self) -> None:
        tag = "urn:li:tag:certified"
        tagged = str(next(iter(self.client.search.get_urns(filter=FilterDsl.tag(tag)))))
        self.assertTrue(self.graph.remove_tag(tag_urn=tag, resource_urn=tagged))
        self.assertNotIn(tag, json.dumps(self.gms.aspects(tagged)["globalTags"]))

    def test_a_dry_run_of_the_garbage_collection(self) -> None:
        recipe = {
            "source": {"type": "datahub-gc", "config": {"dry_run": True}},
            "sink": {"type": "datahub-rest", "config": {"server": self.gms.url, "token": "${INTEROP_TOKEN}"}},
        }
        path = self.gms.home / "gc.yml"
        path.write_text(json.dumps(recipe))
        before = len(self.gms.requests())
        self.gms.run(DATAHUB, "ingest", "run", "--no-default-report", "-c", str(path), INTEROP_TOKEN=self.gms.token)
        requests = self.gms.requests()[before:]
        self.assertTrue(requests)
        self.assertEqual([one["path"] for one in requests if one["status"] != 200], [])


if __name__ == "__main__":
    unittest.main()
