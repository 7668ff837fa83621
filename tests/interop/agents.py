"""DataHub's MCP server against the embedded GMS: every tool that reads, and some that edit. It pins another version of the
Python client, so it has an environment of its own (`tests/interop/run --all`)."""

import json
import os
import unittest
from typing import Any

from datahub.sdk.main_client import DataHubClient

os.environ["TOOLS_IS_MUTATION_ENABLED"] = os.environ["TOOLS_IS_USER_ENABLED"] = "true"

from fastmcp import Client
from mcp_server_datahub.mcp_server import mcp, register_all_tools, with_datahub_client

from clients import DELIVERIES, files, graph, ingest_with_emit
from embedded import Gms

ORDERS = "urn:li:dataset:(urn:li:dataPlatform:postgres,shop.public.orders,PROD)"
FACTS = "urn:li:dataset:(urn:li:dataPlatform:snowflake,nordlys.marts.fct_orders,PROD)"


class Agents(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        register_all_tools(is_oss=True)
        cls.gms = cls.enterClassContext(Gms())
        ingest_with_emit(cls.gms, files(), DELIVERIES[0])
        cls.graph = cls.enterClassContext(graph(cls.gms))

    async def asyncSetUp(self) -> None:
        self.enterContext(with_datahub_client(DataHubClient(graph=self.graph)))
        self.server = await self.enterAsyncContext(Client(mcp))

    async def ask(self, tool: str, **arguments: Any) -> str:
        """The answer of a tool, as text. It must succeed."""
        answer = await self.server.call_tool(tool, arguments)
        return json.dumps([content.text for content in answer.content])

    async def test_every_reading_tool_finds_what_it_should(self) -> None:
        for tool, arguments, expected in [
            ("search", {"query": "/q orders", "filter": "entity_type = dataset"}, FACTS),
            ("search", {"query": "*", "num_results": 0}, "urn:li:dataPlatform:snowflake"),
            ("get_entities", {"urns": [FACTS]}, "urn:li:domain:commerce"),
            ("get_lineage", {"urn": FACTS, "upstream": True, "max_hops": 3}, ORDERS),
            ("get_lineage", {"urn": ORDERS, "upstream": False, "max_hops": 3}, FACTS),
            ("get_lineage_paths_between", {"source_urn": ORDERS, "target_urn": FACTS}, "nordlys.raw.orders"),
            ("list_schema_fields", {"urn": FACTS}, "NET_MINOR"),
            ("get_dataset_queries", {"urn": FACTS}, "total"),
            ("search_documents", {"query": "orders"}, "total"),
            ("get_me", {}, "urn:li:corpuser:datahub"),
        ]:
            with self.subTest(tool, **arguments):
                self.assertIn(expected, await self.ask(tool, **arguments))

    async def test_edits_are_stored(self) -> None:
        tag = "urn:li:tag:hourly"
        await self.ask("add_tags", tag_urns=[tag], entity_urns=[FACTS])
        self.assertIn(tag, json.dumps(self.gms.aspects(FACTS)["globalTags"]))
        await self.ask("remove_tags", tag_urns=[tag], entity_urns=[FACTS])
        self.assertNotIn(tag, json.dumps(self.gms.aspects(FACTS)["globalTags"]))
        await self.ask("update_description", entity_urn=FACTS, operation="replace", description="One row per order.")
        self.assertEqual(self.gms.aspects(FACTS)["editableDatasetProperties"]["description"], "One row per order.")


if __name__ == "__main__":
    unittest.main()
