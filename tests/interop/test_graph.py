"""What the Python client has written into the embedded GMS, it reads back by its graph client, and deletes."""

import json
import unittest
from typing import Any, Iterator

from datahub.emitter.mce_builder import make_dataset_urn
from datahub.emitter.serialization_helper import pre_json_transform
from datahub.metadata.schema_classes import (
    ASPECT_NAME_MAP,
    AuditStampClass,
    CorpUserInfoClass,
    DatasetLineageTypeClass,
    DatasetProfileClass,
    DatasetPropertiesClass,
    GlobalTagsClass,
    GlossaryTermInfoClass,
    OwnerClass,
    OwnershipTypeClass,
    SchemaMetadataClass,
    StatusClass,
    TagAssociationClass,
    UpstreamClass,
)
from datahub.specific.dataset import DatasetPatchBuilder

from clients import DELIVERIES, WAITING, Delivery, at_once, files, graph, ingest_with_emit, ingest_with_python
from embedded import Gms

POOLS = make_dataset_urn("postgres", "lido.pools")
TICKETS = make_dataset_urn("postgres", "lido.tickets")
KEEPER = "urn:li:corpuser:lido.keeper"


def both_endpoints() -> Iterator[dict[str, Any]]:
    for openapi in (False, True):
        yield {"openapi_ingestion": openapi}


class Reading(unittest.TestCase):
    def check(self, gms: Gms) -> None:
        with graph(gms) as client:
            for urn in (POOLS, TICKETS, KEEPER, "urn:li:tag:lido-closed"):
                self.assertTrue(client.exists(urn), urn)
            self.assertFalse(client.exists(make_dataset_urn("postgres", "lido.never")))

            schema = client.get_aspect(POOLS, SchemaMetadataClass)
            self.assertEqual(["id"], schema.primaryKeys)
            self.assertEqual("number", schema.fields[0].description)
            properties = client.get_aspect(POOLS, DatasetPropertiesClass)
            self.assertEqual("klein", properties.customProperties["größe"])
            self.assertEqual("Pools, déjà vu 🏊", properties.description)
            self.assertEqual("Jördis", client.get_aspect(KEEPER, CorpUserInfoClass).displayName)
            self.assertIsNone(client.get_aspect(POOLS, GlossaryTermInfoClass))
            profile = client.get_latest_timeseries_value(TICKETS, DatasetProfileClass, {})
            self.assertEqual(12, profile.rowCount)
            self.assertEqual(0.30000000000000004, profile.fieldProfiles[0].nullProportion)
            bag = client.get_entity_semityped(TICKETS)
            self.assertEqual("winter", bag["datasetProperties"].customProperties["season"])

    def test_what_it_wrote(self) -> None:
        def check(delivery: Delivery) -> None:
            with Gms() as gms:
                ingest_with_python(gms, files("01")[-1:], delivery)
                self.check(gms)

        at_once(self, DELIVERIES + WAITING, check)

    def test_what_we_wrote(self) -> None:
        def check(delivery: Delivery) -> None:
            with Gms() as gms:
                ingest_with_emit(gms, files("01")[-1:], delivery)
                self.check(gms)

        at_once(self, DELIVERIES, check)

    def test_every_aspect_in_its_class(self) -> None:
        with Gms() as gms:
            ingest_with_emit(gms, files("01", "06"), Delivery("ASYNC_BATCH", "OPENAPI"))
            stored = {key: value for key, (value, _) in gms.rows().items() if key[2] == 0}
            self.assertGreater(len(stored), 400)
            with graph(gms) as client:
                for (urn, aspect, _), expected in stored.items():
                    with self.subTest(urn=urn, aspect=aspect):
                        read = client.get_aspect(urn, ASPECT_NAME_MAP[aspect])
                        self.assertEqual(expected, pre_json_transform(read.to_obj()))


class Scrolling(unittest.TestCase):
    def test_entities_page_by_page(self) -> None:
        with Gms() as gms:
            ingest_with_emit(gms, files("01")[-1:], Delivery("ASYNC_BATCH", "RESTLI"))
            with graph(gms) as client:
                found: dict[str, Any] = {}
                place = None
                while True:
                    page = client.scroll_entities(
                        entity_names=["dataset", "tag"], aspects=[], count=2, scroll_id=place,
                        sort_criteria=[{"field": "urn", "order": "DESCENDING"}], with_system_metadata=True,
                    )
                    self.assertLessEqual(len(page.entities), 2)
                    found.update(page.entities)
                    place = page.scroll_id
                    if place is None:
                        break
                self.assertEqual(page.total_count, len(found))
                self.assertEqual(sorted(found, reverse=True), list(found))
                properties, metadata = found[POOLS]["datasetProperties"]
                self.assertEqual("klein", properties.customProperties["größe"])
                self.assertIsNotNone(metadata)

                clause = [{"field": "customProperties", "condition": "EQUAL", "values": ["größe=klein"]}]
                named = client.scroll_entities(entity_names=["dataset"], filter=[{"and": clause}])
                self.assertEqual({POOLS: {}}, named.entities)


class Deleting(unittest.TestCase):
    def test_soft_and_hard(self) -> None:
        for settings in both_endpoints():
            with self.subTest(**settings), Gms() as gms:
                ingest_with_emit(gms, files("01")[-1:], Delivery("ASYNC_BATCH", "RESTLI"))
                with graph(gms, **settings) as client:
                    client.delete_entity(POOLS)
                    self.assertTrue(client.get_aspect(POOLS, StatusClass).removed)
                    self.assertTrue(client.exists(POOLS))

                    deleted = client.hard_delete_timeseries_aspect(TICKETS, "datasetProfile", None, None)
                    self.assertEqual(3, deleted)
                    self.assertIsNone(client.get_latest_timeseries_value(TICKETS, DatasetProfileClass, {}))

                    rows, _ = client.hard_delete_entity(POOLS)
                    self.assertGreater(rows, 0)
                    client.delete_entity(TICKETS, hard=True)
                    for urn in (POOLS, TICKETS):
                        self.assertFalse(client.exists(urn), urn)
                        self.assertIsNone(client.get_aspect(urn, DatasetPropertiesClass))
                    self.assertTrue(client.exists(KEEPER))
                left = {urn for urn, *_ in gms.rows()}
                self.assertTrue(left and left.isdisjoint({POOLS, TICKETS}))


class Patching(unittest.TestCase):
    """The patches that DataHub's builders make, sent by the Python client and by us."""

    @staticmethod
    def patches() -> list[Any]:
        builder = DatasetPatchBuilder(POOLS)
        builder.add_tag(TagAssociationClass(tag="urn:li:tag:lido-open"))
        builder.add_owner(OwnerClass(owner=KEEPER, type=OwnershipTypeClass.BUSINESS_OWNER))
        builder.add_custom_property("with/slash and ü", "🏊")
        builder.set_description("set by a patch")
        stamp = AuditStampClass(time=0, actor=KEEPER)
        builder.add_upstream_lineage(UpstreamClass(TICKETS, DatasetLineageTypeClass.TRANSFORMED, auditStamp=stamp))
        return list(builder.build())

    def test_builders(self) -> None:
        for endpoint, settings in zip(("RESTLI", "OPENAPI"), both_endpoints()):
            with self.subTest(endpoint), Gms() as theirs, Gms() as ours:
                for gms in (theirs, ours):
                    ingest_with_emit(gms, files("01")[-1:], Delivery("SYNC", "RESTLI"))
                with graph(theirs, **settings) as client:
                    for patch in self.patches():
                        client.emit_mcp(patch)
                written = ours.home / "patches.json"
                written.write_text(json.dumps([patch.to_obj() for patch in self.patches()]))
                ingest_with_emit(ours, [written], Delivery("ASYNC_BATCH", endpoint))

                expected, actual = values(theirs), values(ours)
                self.assertEqual(expected, actual)
                self.assertEqual("set by a patch", actual[POOLS, "datasetProperties", 0]["description"])
                self.assertEqual([{"tag": "urn:li:tag:lido-open"}], actual[POOLS, "globalTags", 0]["tags"])


def values(gms: Gms) -> dict[tuple[Any, ...], Any]:
    return {key: value for key, (value, _) in gms.rows().items()}


if __name__ == "__main__":
    unittest.main()
