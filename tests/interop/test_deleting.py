"""`datahub delete`, in all its forms."""

import unittest

from datahub.emitter.mce_builder import make_dataset_urn
from datahub.emitter.mcp import MetadataChangeProposalWrapper
from datahub.metadata.schema_classes import (
    BrowsePathEntryClass,
    BrowsePathsV2Class,
    DatasetProfileClass,
    GlobalTagsClass,
    StatusClass,
    SystemMetadataClass,
    TagAssociationClass,
    TagPropertiesClass,
)

from clients import graph
from commands import CommandLine

POOLS = make_dataset_urn("postgres", "lido.pools")
TICKETS = make_dataset_urn("postgres", "lido.tickets")
WATER = make_dataset_urn("mysql", "lido.water", env="DEV")
CLOSED = "urn:li:tag:lido-closed"
BATHS = "urn:li:container:baths"


class Deleting(CommandLine):
    def setUp(self) -> None:
        super().setUp()
        tagged = GlobalTagsClass([TagAssociationClass(CLOSED)])
        inside = BrowsePathsV2Class([BrowsePathEntryClass("lido"), BrowsePathEntryClass(BATHS, BATHS)])
        of_registry = SystemMetadataClass(registryName="lido-model", registryVersion="0.0.1")
        with graph(self.gms) as client:
            for urn, aspect, system_metadata in [
                (POOLS, StatusClass(removed=False), None),
                (POOLS, tagged, None),
                (POOLS, inside, None),
                (TICKETS, StatusClass(removed=False), of_registry),
                (WATER, inside, None),
                (CLOSED, TagPropertiesClass("closed"), None),
                (BATHS, StatusClass(removed=False), None),
                *((TICKETS, DatasetProfileClass(timestampMillis=day * 86_400_000, rowCount=day), None) for day in (1, 2, 3)),
            ]:
                client.emit_mcp(MetadataChangeProposalWrapper(entityUrn=urn, aspect=aspect, systemMetadata=system_metadata))

    def entities(self) -> set[str]:
        return {urn for urn, *_ in self.gms.rows()}

    def removed(self) -> set[str]:
        rows = self.gms.rows().items()
        return {urn for (urn, aspect, which), (value, _) in rows if (aspect, which) == ("status", 0) and value["removed"]}

    def test_softly_by_filter_and_back(self) -> None:
        by_filter = ("delete", "by-filter", "--force", "--batch-size", "1")
        dry = self.datahub(*by_filter, "--platform", "postgres", "--dry-run")
        self.assertIn("[Dry-run] Would delete 2 entities", dry)
        self.assertEqual(set(), self.removed())

        self.assertIn("Soft deleted 2 entities", self.datahub(*by_filter, "--platform", "postgres", "--env", "PROD"))
        self.assertEqual({POOLS, TICKETS}, self.removed())
        self.assertIn("Found no urns to delete", self.datahub(*by_filter, "--platform", "postgres"))
        self.datahub("delete", "undo-by-filter", "--force", "--urn", POOLS)
        self.assertEqual({TICKETS}, self.removed())
        self.datahub("delete", "undo-by-filter", "--force", "--platform", "postgres")
        self.assertEqual(set(), self.removed())

    def test_for_good_by_filter(self) -> None:
        before = self.entities()
        self.datahub("delete", "--urn", TICKETS)
        hard = ("delete", "by-filter", "--hard", "--force")
        self.assertIn("Hard deleted 1 entities", self.datahub(*hard, "--entity-type", "dataset", "--only-soft-deleted"))
        self.assertEqual(before - {TICKETS}, self.entities())
        self.assertIn("Hard deleted 1 entities", self.datahub(*hard, "--query", "lido.pool*"))
        self.assertEqual(before - {TICKETS, POOLS}, self.entities())

    def test_all_that_is_in_a_container(self) -> None:
        before = self.entities()
        self.datahub("delete", "--urn", BATHS, "--recursive", "--hard", "--force")
        self.assertEqual(before - {POOLS, WATER, BATHS}, self.entities())

    def test_some_of_a_time_series(self) -> None:
        of_two = ("--start-time", "1970-01-02", "--end-time", "1970-01-03T12:00:00Z")
        deleted = self.datahub("delete", "--urn", TICKETS, "--hard", "--force", "-a", "datasetProfile", *of_two)
        self.assertIn("2 timeseries aspect rows", deleted)
        left = [value["rowCount"] for (_, aspect, _), (value, _) in self.gms.rows().items() if aspect == "datasetProfile"]
        self.assertEqual([3], left)

    def test_references(self) -> None:
        references = ("delete", "references", "--urn", CLOSED)
        dry = self.datahub(*references, "--dry-run")
        self.assertIn(f"Found 1 references to {CLOSED}", dry)
        self.assertIn("globalTags", dry)
        self.assertEqual(1, len(self.aspect(POOLS, "globalTags")["tags"]))
        self.datahub(*references, "--force")
        self.assertEqual([], self.aspect(POOLS, "globalTags")["tags"])
        self.assertIn(f"No references to {CLOSED} found", self.datahub(*references, "--force"))

    def test_a_hard_delete_of_a_tag_takes_it_away_everywhere(self) -> None:
        self.assertIn("cleaned up 1 referenced entities", self.datahub("delete", "--urn", CLOSED, "--hard", "--force"))
        self.assertEqual([], self.aspect(POOLS, "globalTags")["tags"])
        self.assertNotIn(CLOSED, self.entities())

    def test_by_registry(self) -> None:
        by_registry = ("delete", "by-registry", "--registry-id")
        dry = self.datahub(*by_registry, "other-model:0.0.1", "--dry-run")
        self.assertIn("0 entities with 0 rows will be affected", dry)
        self.datahub(*by_registry, "other-model:0.0.1", "--hard")
        self.assertEqual(set(), self.removed())


if __name__ == "__main__":
    unittest.main()
