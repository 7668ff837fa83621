"""How the Python client finds entities: by search, by filter, by name, by count, and by what the server's model has."""

import unittest
import warnings
from typing import Any
from unittest import mock

from datahub.configuration.common import OperationalError
from datahub.emitter.mce_builder import make_data_platform_urn, make_dataplatform_instance_urn, make_dataset_urn
from datahub.emitter.mcp import MetadataChangeProposalWrapper
from datahub.ingestion.graph.client import _ENTITY_SPECS_CACHE
from datahub.ingestion.graph.filters import RemovedStatusFilter, SearchFilterRule
from datahub.metadata.schema_classes import (
    KEY_ASPECTS,
    BrowsePathEntryClass,
    BrowsePathsV2Class,
    ChartInfoClass,
    ChangeAuditStampsClass,
    ContainerPropertiesClass,
    DataFlowInfoClass,
    DataPlatformInstanceClass,
    DataProductPropertiesClass,
    DatasetPropertiesClass,
    DatasetUsageStatisticsClass,
    DomainPropertiesClass,
    StatusClass,
    SubTypesClass,
)

from clients import graph
from embedded import Gms

POOLS = make_dataset_urn("postgres", "lido.pools")
TICKETS = make_dataset_urn("postgres", "Lido.Tickets")
WATER = make_dataset_urn("mysql", "lido.water", env="DEV")
CHART = "urn:li:chart:(looker,visitors)"
FLOW = "urn:li:dataFlow:(airflow,cleaning,PROD)"
BATHS = "urn:li:container:baths"
INSTANCE = make_dataplatform_instance_urn("postgres", "old-town")
ALL = {POOLS, TICKETS, WATER, CHART, FLOW, BATHS, "urn:li:domain:lido", "urn:li:dataProduct:swim"}


class Searching(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.gms = cls.enterClassContext(Gms())
        cls.client = cls.enterClassContext(graph(cls.gms))
        inside = BrowsePathsV2Class([BrowsePathEntryClass("lido"), BrowsePathEntryClass(BATHS, BATHS)])
        written: list[tuple[str, Any]] = [
            (POOLS, StatusClass(removed=False)),
            (POOLS, inside),
            (POOLS, DatasetPropertiesClass(name="Swimming pools")),
            (POOLS, DataPlatformInstanceClass(make_data_platform_urn("postgres"), INSTANCE)),
            (TICKETS, StatusClass(removed=True)),
            (WATER, inside),
            (CHART, ChartInfoClass("visitors", "", ChangeAuditStampsClass())),
            (FLOW, DataFlowInfoClass("cleaning")),
            (BATHS, ContainerPropertiesClass("baths", customProperties={"instance": "PROD"})),
            (BATHS, SubTypesClass(["Schema"])),
            ("urn:li:domain:lido", DomainPropertiesClass("Lido")),
            ("urn:li:dataProduct:swim", DataProductPropertiesClass(name="Swim")),
        ]
        for day in (1, 2, 3):
            written.append((POOLS, DatasetUsageStatisticsClass(timestampMillis=day * 1000, totalSqlQueries=day)))
        for urn, aspect in written:
            cls.client.emit_mcp(MetadataChangeProposalWrapper(entityUrn=urn, aspect=aspect))

    def found(self, **filters: Any) -> set[str]:
        # Pages of two, so that most answers have several.
        urns = list(self.client.get_urns_by_filter(batch_size=2, **filters))
        self.assertEqual(len(urns), len(set(urns)))
        return set(urns) & ALL

    def test_by_filter(self) -> None:
        self.assertEqual(ALL - {TICKETS}, self.found())
        self.assertEqual(ALL, self.found(status=RemovedStatusFilter.ALL))
        self.assertEqual({TICKETS}, self.found(status=RemovedStatusFilter.ONLY_SOFT_DELETED))
        self.assertEqual({POOLS, WATER}, self.found(entity_types=["dataset"], skip_cache=True))
        self.assertEqual({CHART, FLOW}, self.found(entity_types=["chart", "dataFlow"]))
        self.assertEqual({POOLS}, self.found(platform="postgres"))
        self.assertEqual({POOLS, CHART, FLOW}, self.found(platform=["postgres", "looker", "airflow"]))
        self.assertEqual({POOLS}, self.found(platform="postgres", platform_instance="old-town"))
        self.assertEqual({WATER}, self.found(env="DEV"))
        self.assertEqual({POOLS, BATHS}, self.found(env="PROD"))
        self.assertEqual({POOLS, WATER}, self.found(container=BATHS))
        self.assertEqual({POOLS}, self.found(query="swimming POOLS"))
        not_water = SearchFilterRule("origin", "EQUAL", ["DEV"], negated=True).to_raw()
        self.assertEqual({POOLS}, self.found(entity_types=["dataset"], extraFilters=[not_water]))
        self.assertEqual([TICKETS], list(self.client.get_urns_by_filter(query="tickets", status=RemovedStatusFilter.ALL)))

    def test_by_urn_in_any_case(self) -> None:
        with_ticket = MetadataChangeProposalWrapper(entityUrn=TICKETS.upper().replace("URN:LI:DATASET", "urn:li:dataset"), aspect=StatusClass(False))
        self.client.emit_mcp(with_ticket)
        self.assertEqual([with_ticket.entityUrn], self.client.get_dataset_urns_ignoring_case(TICKETS.lower()))
        self.client.hard_delete_entity(with_ticket.entityUrn)

    def test_what_is_not_known_is_said(self) -> None:
        for filters in ({"include_draft": True}, {"entity_types": ["lido"]}):
            with self.subTest(**filters), self.assertRaises(Exception) as said:
                list(self.client.get_urns_by_filter(**filters))
            self.assertIn(type(said.exception).__name__, ("GraphError", "ValueError"))
        # As with every DataHub that is not in the cloud.
        with self.assertRaisesRegex(Exception, "fetchExtraFields"):
            list(self.client.get_results_by_filter(entity_types=["dataset"]))

    def test_over_restli(self) -> None:
        results = self.client.get_search_results(entity="dataset", count=1)["value"]
        self.assertEqual((2, 1), (results["numEntities"], len(results["entities"])))
        self.assertEqual("urn:li:domain:lido", self.client.get_domain_urn_by_name("Lido"))
        self.assertIsNone(self.client.get_domain_urn_by_name("Ocean"))
        self.assertEqual("urn:li:dataProduct:swim", self.client.get_data_product_urn_by_name("Swim"))
        with warnings.catch_warnings():
            # It is deprecated, and says so.
            warnings.simplefilter("ignore")
            self.assertEqual([BATHS], list(self.client.get_container_urns_by_filter(env="PROD")))

    def test_all_of_a_type_and_how_many(self) -> None:
        self.assertEqual({POOLS, TICKETS, WATER}, set(self.client.list_all_entity_urns("dataset", 0, 10)))
        self.assertEqual(1, len(self.client.list_all_entity_urns("dataset", 2, 10)))
        self.assertEqual(2, self.client.get_aspect_counts("status"))
        self.assertEqual(1, self.client.get_aspect_counts("status", "%pools%"))

    def test_what_the_model_has(self) -> None:
        # It would keep the answer in the user's home.
        with mock.patch.object(_ENTITY_SPECS_CACHE, "_dir", self.gms.home / "cache"):
            specifications = self.client.get_entity_aspect_specs()
        own = {entity_type: aspect.ASPECT_NAME for entity_type, aspect in KEY_ASPECTS.items()}
        self.assertEqual(set(own), set(specifications.entity_aspects))
        for entity_type, key in own.items():
            info = KEY_ASPECTS[entity_type].ASPECT_INFO
            self.assertEqual({key, *info["entityAspects"]}, specifications.entity_aspects[entity_type], entity_type)
        self.assertTrue(specifications.supports("dataset", "datasetProfile"))
        self.assertFalse(specifications.supports("dataset", "chartInfo"))

    def test_usage_of_a_data_set(self) -> None:
        usage = self.client.get_usage_aspects_from_urn(POOLS, 2000, 9000)
        self.assertEqual([3, 2], [one.totalSqlQueries for one in usage])

    def test_by_the_newer_client(self) -> None:
        with warnings.catch_warnings():
            # It is experimental, and says so.
            warnings.simplefilter("ignore")
            from datahub.sdk import DataHubClient, FilterDsl
        client = DataHubClient(graph=self.client)
        is_of = FilterDsl.and_(FilterDsl.entity_type("dataset"), FilterDsl.platform("postgres"))
        self.assertEqual([POOLS], [str(urn) for urn in client.search.get_urns(filter=is_of)])
        self.assertEqual("Swimming pools", client.entities.get(POOLS).display_name)

    def test_indices_are_restored(self) -> None:
        self.client.restore_indices("urn:li:dataset:%", aspect="status", start=0, batch_size=10)
        with self.assertRaises(OperationalError):
            self.client.restore_indices("no urn")


if __name__ == "__main__":
    unittest.main()
