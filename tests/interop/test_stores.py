"""The Python client and datahub-emit carry the same files to the same kind of server, and it ends up holding the same.

The embedded GMS shares no encoding with datahub-emit's own client, so what both clients agree on is DataHub's protocol
and not a private one.
"""

import json
import unittest
from typing import Any

from clients import DELIVERIES, EVERYTHING, WAITING, WAREHOUSE, Delivery, at_once, ingest_with_emit, ingest_with_python, records
from embedded import Gms


class Stores(unittest.TestCase):
    """What is stored when a client has ended."""

    maxDiff = 4000

    def assert_same(self, expected: dict[tuple[Any, ...], Any], actual: dict[tuple[Any, ...], Any]) -> None:
        self.assertEqual(sorted(expected, key=str), sorted(actual, key=str))
        for key, value in expected.items():
            self.assertEqual(value, actual[key], key)

    def stored_by_emit(self, source: list[Any], delivery: Delivery) -> dict[tuple[Any, ...], Any]:
        with Gms() as ours:
            report = ingest_with_emit(ours, source, delivery)
            counts = report["proposals"]
            self.assertEqual(("delivered", 0), (report["outcome"], report["source"]["invalid"]))
            self.assertEqual(counts["read"], counts["delivered"])
            return ours.rows()

    def test_both_clients_leave_the_same_behind(self) -> None:
        def check(delivery: Delivery) -> None:
            source = delivery.carried_by_python()
            with Gms() as theirs:
                ingest_with_python(theirs, source, delivery)
                expected = theirs.rows()
            self.assert_same(expected, self.stored_by_emit(source, delivery))

        at_once(self, DELIVERIES + WAITING, check)

    def test_however_it_is_delivered_the_same_is_stored(self) -> None:
        # The one way in which the Python client carries all of it.
        with Gms() as theirs:
            batches = Delivery("ASYNC_BATCH", "RESTLI")
            ingest_with_python(theirs, EVERYTHING, batches)
            expected = theirs.rows()
        at_once(self, DELIVERIES + WAITING, lambda way: self.assert_same(expected, self.stored_by_emit(EVERYTHING, way)))


class Values(unittest.TestCase):
    """What is stored is what the file says: both clients could have lost the same."""

    def test_the_last_value_of_the_file_is_the_latest(self) -> None:
        latest = {}
        for record in records(sorted(WAREHOUSE.glob("*.json"))):
            if "proposedSnapshot" not in record:
                aspect = record["aspect"]
                value = aspect["json"] if "json" in aspect else json.loads(aspect["value"])
                latest[record["entityUrn"], record["aspectName"], 0] = without_nulls(value)
        with Gms() as gms:
            ingest_with_emit(gms, EVERYTHING, Delivery("ASYNC_BATCH", "OPENAPI"))
            stored = gms.rows()
        series = {(urn, aspect) for urn, aspect, _ in stored} - {(urn, aspect) for urn, aspect, which in stored if which == 0}
        checked = 0
        for key, value in latest.items():
            if key[:2] not in series:
                self.assertEqual(value, stored[key][0], key)
                checked += 1
        self.assertGreater(checked, 300)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value


if __name__ == "__main__":
    unittest.main()
