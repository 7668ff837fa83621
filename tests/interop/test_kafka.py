"""The messages of datahub-emit, read by confluent-kafka's deserializer and by fastavro."""

import io
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from fastavro import parse_schema, schemaless_reader

PROGRAM = os.environ["DATAHUB_EMIT"]
TOPIC = "MetadataChangeProposal_v1"


class Registry(BaseHTTPRequestHandler):
    """A schema registry for one schema, whose id is 7."""

    schema: dict[str, Any] = {}

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Registry.schema = body
        self.answer({"id": 7})

    def do_GET(self) -> None:
        if self.path.startswith("/schemas/ids/7"):
            self.answer(Registry.schema)
        else:
            self.answer({"error_code": 404, "message": "not found"}, 404)

    def answer(self, value: Any, status: int = 200) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


def has_the_sink() -> bool:
    """Whether the program was built with the feature `kafka`."""
    with tempfile.TemporaryDirectory() as directory:
        recipe = pathlib.Path(directory, "recipe.json")
        source = {"type": "file", "config": {"path": "x.json"}}
        recipe.write_text(json.dumps({"source": source, "sink": {"type": "datahub-kafka"}}))
        return subprocess.run([PROGRAM, "check", recipe, "--offline"], capture_output=True).returncode == 0


@unittest.skipUnless(has_the_sink(), "the program was built without the feature kafka")
class Messages(unittest.TestCase):
    def setUp(self) -> None:
        # A cluster inside librdkafka; its address is in its metadata.
        self.cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock"})
        broker = next(iter(self.cluster.list_topics(timeout=30).brokers.values()))
        self.bootstrap = f"{broker.host}:{broker.port}"
        self.registry = HTTPServer(("127.0.0.1", 0), Registry)
        threading.Thread(target=self.registry.serve_forever, daemon=True).start()
        self.addCleanup(self.registry.server_close)
        self.addCleanup(self.registry.shutdown)
        self.url = f"http://127.0.0.1:{self.registry.server_port}"

    def deliver(self, records: list[Any]) -> list[Any]:
        """Runs a recipe, and returns the messages of the topic."""
        with tempfile.TemporaryDirectory() as directory:
            source = pathlib.Path(directory, "mcps.json")
            source.write_text(json.dumps(records))
            recipe = pathlib.Path(directory, "recipe.json")
            connection = {"bootstrap": self.bootstrap, "schema_registry_url": self.url}
            recipe.write_text(json.dumps({
                "source": {"type": "file", "config": {"path": str(source)}},
                "sink": {"type": "datahub-kafka", "config": {"connection": connection}},
            }))
            environment = {"HOME": directory, "PATH": os.environ["PATH"]}
            ended = subprocess.run([PROGRAM, "ingest", "-c", recipe], capture_output=True, text=True, env=environment)
            self.assertEqual(0, ended.returncode, ended.stderr)
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "interop"})
        partitions = consumer.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions
        consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in partitions])
        messages = []
        while len(messages) < len(records):
            message = consumer.poll(30)
            self.assertIsNotNone(message, "a message is missing")
            self.assertIsNone(message.error())
            messages.append(message)
        consumer.close()
        return messages

    def test_both_readers_read_the_same_record(self) -> None:
        urn = "urn:li:dataset:(urn:li:dataPlatform:hive,größe,PROD)"
        metadata = {
            "lastObserved": 1700000000000, "properties": {"ä": "ö"}, "version": "3", "schemaVersion": 2,
            "aspectCreated": {"time": 5, "actor": "urn:li:corpuser:a"},
        }
        sent: list[dict[str, Any]] = [
            {"changeType": "UPSERT", "aspectName": "status", "aspect": {"json": {"removed": False}}},
            {
                "changeType": "PATCH", "aspectName": "globalTags", "headers": {"If-Version-Match": "1"},
                "aspect": {
                    "json": [{"op": "add", "path": "/tags/a", "value": {"tag": "urn:li:tag:é"}}],
                    "contentType": "application/json-patch+json",
                },
                "systemMetadata": metadata,
            },
        ]
        messages = self.deliver([{"entityType": "dataset", "entityUrn": urn, **record} for record in sent])
        client = SchemaRegistryClient({"url": self.url})
        deserialize = AvroDeserializer(client)
        schema = parse_schema(json.loads(Registry.schema["schema"]))
        for record, message in zip(sent, messages, strict=True):
            self.assertEqual(urn.encode(), message.key())
            value = message.value()
            self.assertEqual((0, 7), struct.unpack(">bI", value[:5]))
            read = deserialize(value, SerializationContext(TOPIC, MessageField.VALUE))
            self.assertEqual(read, schemaless_reader(io.BytesIO(value[5:]), schema, None))
            self.assertEqual(urn, read["entityUrn"])
            self.assertEqual(record["changeType"], read["changeType"])
            self.assertEqual(record["aspectName"], read["aspectName"])
            self.assertEqual(record["aspect"]["json"], json.loads(read["aspect"]["value"]))
            self.assertEqual(record["aspect"].get("contentType", "application/json"), read["aspect"]["contentType"])
            self.assertEqual(record.get("headers"), read["headers"])
        written = messages[1].value()
        read = deserialize(written, SerializationContext(TOPIC, MessageField.VALUE))["systemMetadata"]
        for name in ("lastObserved", "properties", "version", "schemaVersion"):
            self.assertEqual(metadata[name], read[name])
        self.assertEqual(5, read["aspectCreated"]["time"])


if __name__ == "__main__":
    unittest.main()
