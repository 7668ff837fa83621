"""The bridge, which runs a source of the Python client for datahub-emit, with the real package."""

import importlib.util
import json
import socket
import threading
import unittest
from types import SimpleNamespace
from typing import Any
from unittest import mock

from datahub.emitter.mcp import MetadataChangeProposalWrapper
from datahub.ingestion.api.common import PipelineContext, RecordEnvelope
from datahub.metadata.schema_classes import (
    DatasetSnapshotClass,
    MetadataChangeEventClass,
    StatusClass,
)
from datahub.specific.dataset import DatasetPatchBuilder

from embedded import ROOT

URN = "urn:li:dataset:(urn:li:dataPlatform:sqlite,main.orders,PROD)"

#: No thread waits longer than this; it is only there so that a hang becomes a failure.
DEADLINE_SECONDS = 120


def load() -> Any:
    spec = importlib.util.spec_from_file_location("bridge", ROOT / "python" / "bridge.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bridge = load()


class Sent:
    """In place of the channel to the parent: keeps what is sent."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.changed = threading.Condition()

    def send(self, message: dict[str, Any]) -> None:
        with self.changed:
            self.messages.append(json.loads(json.dumps(message)))
            self.changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.messages) >= count, DEADLINE_SECONDS):
                raise AssertionError(f"{count} messages were expected: {self.messages}")


class Deliveries(unittest.TestCase):
    def setUp(self) -> None:
        self.sent = Sent()
        self.outcomes: list[tuple[int, str | None]] = []

    def deliveries(self, window: int) -> Any:
        return bridge.Deliveries(self.sent, window)

    def send(self, deliveries: Any, number: int) -> None:
        deliveries.send({"record": {"number": number}}, lambda reason: self.outcomes.append((number, reason)))

    def test_each_record_gets_its_own_outcome(self) -> None:
        deliveries = self.deliveries(10)
        for number in range(4):
            self.send(deliveries, number)
        self.assertEqual([{"seq": n, "record": {"number": n}} for n in range(4)], self.sent.messages)
        deliveries.acknowledge(0, 1)
        deliveries.fail(2, "422")
        deliveries.acknowledge(3, 3)
        deliveries.acknowledge(3, 3)
        self.assertEqual([(0, None), (1, None), (2, "422"), (3, None)], self.outcomes)

    def test_a_full_window_makes_the_source_wait(self) -> None:
        deliveries = self.deliveries(2)
        for number in range(2):
            self.send(deliveries, number)
        third = threading.Thread(target=self.send, args=(deliveries, 2))
        third.start()
        self.assertEqual(2, len(self.sent.messages))
        deliveries.acknowledge(0, 0)
        third.join(DEADLINE_SECONDS)
        self.assertEqual(3, len(self.sent.messages))

    def test_a_flush_returns_when_the_parent_says_so(self) -> None:
        deliveries = self.deliveries(10)
        self.send(deliveries, 0)
        flushing = threading.Thread(target=deliveries.flush)
        flushing.start()
        self.sent.wait_for(2)
        self.assertEqual({"flush": 1}, self.sent.messages[1])
        self.assertTrue(flushing.is_alive())
        deliveries.acknowledge(0, 0)
        deliveries.flushed(1)
        flushing.join(DEADLINE_SECONDS)
        self.assertFalse(flushing.is_alive())

    def test_after_a_stop_records_are_still_sent_and_nothing_waits(self) -> None:
        deliveries = self.deliveries(1)
        self.send(deliveries, 0)
        deliveries.stop("401")
        self.send(deliveries, 1)
        self.send(deliveries, 2)
        deliveries.flush()
        self.assertEqual([(0, "401"), (1, "401"), (2, "401")], self.outcomes)
        self.assertEqual([0, 1, 2], [message["seq"] for message in self.sent.messages if "seq" in message])


class Records(unittest.TestCase):
    """The sink that takes the place of the recipe's."""

    def setUp(self) -> None:
        self.sent = Sent()
        self.deliveries = bridge.Deliveries(self.sent, 100)
        self.sink = bridge.sink_class(self.deliveries).create({}, PipelineContext(run_id="bridge"))
        self.callback = mock.Mock()

    def write(self, record: Any) -> dict[str, Any]:
        self.sink.write_record_async(RecordEnvelope(record, {"workunit_id": "one"}), self.callback)
        return self.sent.messages[-1]

    def test_proposals_patches_and_snapshots_are_written_as_the_file_source_reads_them(self) -> None:
        proposal = self.write(MetadataChangeProposalWrapper(entityUrn=URN, aspect=StatusClass(removed=False)))["record"]
        self.assertEqual((URN, "status", "UPSERT"), (proposal["entityUrn"], proposal["aspectName"], proposal["changeType"]))
        self.assertEqual({"removed": False}, json.loads(proposal["aspect"]["value"]))
        patch = next(iter(DatasetPatchBuilder(URN).add_custom_property("owner", "shop").build()))
        self.assertEqual("PATCH", self.write(patch)["record"]["changeType"])
        snapshot = DatasetSnapshotClass(urn=URN, aspects=[StatusClass(removed=True)])
        record = self.write(MetadataChangeEventClass(proposedSnapshot=snapshot))["record"]
        (aspects,) = (value["aspects"] for value in record["proposedSnapshot"].values())
        self.assertIn({"com.linkedin.pegasus2avro.common.Status": {"removed": True}}, aspects)

    def test_a_record_without_a_json_form_is_reported_and_the_others_continue(self) -> None:
        message = self.write(SimpleNamespace(to_obj=lambda: {"not": object()}))
        self.assertIn("TypeError", message["invalid"])
        self.assertEqual(1, self.write(MetadataChangeProposalWrapper(entityUrn=URN, aspect=StatusClass(removed=False)))["seq"])

    def test_the_outcome_reaches_the_callback_and_the_report(self) -> None:
        for _ in range(3):
            self.write(MetadataChangeProposalWrapper(entityUrn=URN, aspect=StatusClass(removed=False)))
        self.deliveries.acknowledge(0, 0)
        self.deliveries.fail(1, "422: no such aspect")
        self.assertEqual((1, 1), (self.callback.on_success.call_count, self.callback.on_failure.call_count))
        self.assertEqual(1, self.sink.report.total_records_written)
        self.assertIn("422: no such aspect", str(self.sink.report.failures))
        # The reason of a stop is reported once, whatever number of records it concerns.
        self.deliveries.stop("401")
        for _ in range(3):
            self.write(MetadataChangeProposalWrapper(entityUrn=URN, aspect=StatusClass(removed=False)))
        self.assertEqual(1, str(self.sink.report.failures).count("401"))
        self.assertEqual(5, self.callback.on_failure.call_count)


class Findings(unittest.TestCase):
    """What the bridge says about a source that cannot run."""

    def test_a_missing_module_is_named_with_its_extra(self) -> None:
        with self.assertRaises(bridge.CannotRun) as caught:
            bridge.find_source("snowflake")
        details = caught.exception.details
        self.assertEqual(("plugin-missing", "snowflake", True), (details["code"], details["extra"], details["known"]))
        self.assertTrue(details["module"], details)
        with self.assertRaises(bridge.CannotRun) as caught:
            bridge.find_source("no-such-source")
        details = caught.exception.details
        self.assertEqual(("plugin-missing", None, False), (details["code"], details["extra"], details["known"]))

    def test_a_source_is_described_with_its_package(self) -> None:
        description = bridge.describe("sqlalchemy")
        self.assertNotIn("error", description)
        self.assertRegex(description["python"], r"^3\.\d+\.\d+$")
        self.assertRegex(description["package"], r"^1\.")

    def test_failures_of_every_release_become_text(self) -> None:
        self.assertEqual(["orders: no rights; no table"], bridge.entries({"orders": ["no rights", "no table"]}))
        self.assertEqual(["it broke"], bridge.entries(["it broke"]))
        newer = [{"title": "Denied", "message": "no rights", "context": ["orders", "customers"]}]
        self.assertEqual(["Denied: no rights (orders; customers)"], bridge.entries(newer))

    def test_arguments_that_a_release_does_not_know_are_left_out(self) -> None:
        self.assertEqual({"a": 1}, bridge.supported(lambda a, b=2: None, {"a": 1, "c": 3}))

    def test_mistakes_in_the_configuration_have_a_path(self) -> None:
        messages = self.run_recipe({"source": {"type": "sqlalchemy", "config": {"connect_uri": "sqlite://", "platform": "sqlite", "schema_pattern": {"allow": 7}}}})
        error = messages[-1]["error"]
        self.assertEqual("config", error["code"], error)
        self.assertIn(["schema_pattern", "allow"], [item["path"][:2] for item in error["errors"]])

    def test_a_connection_test_returns_the_report_of_the_source(self) -> None:
        start = {"mode": "connection", "recipe": {"source": {"type": "demo-data", "config": {}}}}
        (message,) = self.run_start(start)[:1]
        self.assertIn("does not support test connection", message["connection"]["internal_failure_reason"])

    def run_recipe(self, recipe: dict[str, Any]) -> list[dict[str, Any]]:
        return self.run_start({"mode": "run", "recipe": recipe, "preview_workunits": None})

    def run_start(self, start: dict[str, Any]) -> list[dict[str, Any]]:
        sent = Sent()
        deliveries = bridge.Deliveries(sent, 10)
        # No record is sent, so each flush is over at once.
        deliveries.flushed(1000)
        bridge.run(start, sent, deliveries)
        return sent.messages


class Protocol(unittest.TestCase):
    """The parent's messages."""

    def test_messages_of_the_parent_settle_records_until_it_closes_the_socket(self) -> None:
        ours, theirs = socket.socketpair()
        outcomes: list[tuple[int, str | None]] = []
        deliveries = bridge.Deliveries(bridge.Channel(theirs), 10)
        for number in range(3):
            deliveries.send({"record": {}}, lambda reason, number=number: outcomes.append((number, reason)))
        ours.sendall(b'{"ack":[0,0]}\n{"failed":1,"message":"422"}\n{"flushed":1}\n{"unknown":1}\n{"stop":"401"}\n')
        ours.shutdown(socket.SHUT_WR)
        with theirs.makefile("rb") as commands:
            bridge.receive(commands, deliveries)
        self.assertEqual([(0, None), (1, "422"), (2, "401")], outcomes)
        with ours.makefile("rb") as records:
            self.assertEqual([0, 1, 2], [json.loads(records.readline())["seq"] for _ in range(3)])
        ours.close()
        with self.assertRaises(bridge.ParentGone):
            for _ in range(100):
                deliveries.send({"record": {"text": "x" * 10_000}}, lambda reason: None)
        theirs.close()


if __name__ == "__main__":
    unittest.main()
