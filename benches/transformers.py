#!/usr/bin/env python3
"""Compares five transformers of datahub-emit with those of DataHub's Python client, side by side on one machine.

    tests/interop/run                       installs the Python client into target/interop-venv
    cargo build --release
    benches/transformers.py                 a few minutes; prints a table
    benches/transformers.py --python PATH   another Python that has acryl-datahub
    benches/transformers.py --rules         the cost of 200 rules for a record, datahub-emit alone

Both read the same file of 100,000 records and write to the file sink, through tags, ownership by patterns, properties, browse paths and
domains. Domains are looked up in a server on this machine, which answers at once. The rate is that of the transformers: the time of the same
recipe without transformers is subtracted. Beside it is the rate of the whole process. Memory is the peak of the whole process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

TRANSFORMERS = [
    {"type": "simple_add_dataset_tags", "config": {"tag_urns": ["urn:li:tag:nightly"]}},
    {"type": "pattern_add_dataset_ownership", "config": {"owner_pattern": {"rules": {
        r".*shop\.orders_\d*7,": ["urn:li:corpuser:ida"], r".*shop\.": ["urn:li:corpGroup:shop"]}}}},
    {"type": "simple_add_dataset_properties", "config": {"properties": {"team": "shop"}}},
    {"type": "set_dataset_browse_path", "config": {"path_templates": ["/ENV/PLATFORM/DATASET_PARTS"]}},
    {"type": "simple_add_dataset_domain", "config": {"domains": ["Sales"]}},
]


class Gms(BaseHTTPRequestHandler):
    """A GMS that knows one domain, by its name."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/config"):
            return self.answer(200, {"noCode": "true", "versions": {"acryldata/datahub": {"version": "v1.3.0"}}})
        return self.answer(404, {"status": 404, "exceptionClass": "com.linkedin.restli.server.RestLiServiceException"})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hit = {"entity": "urn:li:domain:sales", "matchedFields": []}
        self.answer(200, {"value": {"from": 0, "pageSize": 10, "numEntities": 1, "entities": [hit], "metadata": {"aggregations": []}}})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def write_records(path, count):
    """Datasets with two records each: a status and properties."""
    with open(path, "w") as file:
        file.write("[\n")
        for index in range(count):
            urn = f"urn:li:dataset:(urn:li:dataPlatform:hive,shop.orders_{index // 2},PROD)"
            aspect, value = ("status", {"removed": False}) if index % 2 else \
                ("datasetProperties", {"name": f"orders_{index // 2}", "description": "One row for each order.", "customProperties": {"row": str(index)}, "tags": []})
            record = {"entityType": "dataset", "entityUrn": urn, "changeType": "UPSERT", "aspectName": aspect, "aspect": {"json": value},
                      "systemMetadata": {"lastObserved": 1795060812000 + index, "runId": "shop"}}
            file.write(("" if index == 0 else ",\n") + json.dumps(record))
        file.write("\n]\n")


def run(command, recipe, folder):
    """Seconds, peak memory in MiB, and records that were written."""
    path = folder / "recipe.yml"
    path.write_text(json.dumps(recipe))
    output = Path(recipe["sink"]["config"]["filename"])
    output.unlink(missing_ok=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DATAHUB_")}
    environment |= {"HOME": str(folder), "DATAHUB_TELEMETRY_ENABLED": "false", "XDG_STATE_HOME": str(folder / "state")}
    began = time.monotonic()
    process = subprocess.Popen([*command, "-c", str(path)], env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with {process.returncode}:\n{said.decode()[-2000:]}")
    written = sum(1 for line in open(output, "rb") if b'"changeType"' in line)
    return seconds, usage.ru_maxrss / 1024, written


def recipe(folder, transformers, server):
    return {"source": {"type": "file", "config": {"path": str(folder / "in.json")}}, "transformers": transformers,
            "sink": {"type": "file", "config": {"filename": str(folder / "out.json")}}, "datahub_api": {"server": server}}


def measure(name, command, folder, server, count, rounds):
    plain, whole = [], []
    for _ in range(rounds):
        plain.append(run(command, recipe(folder, [], server), folder))
        whole.append(run(command, recipe(folder, TRANSFORMERS, server), folder))
    without, seconds = (statistics.median(run[0] for run in runs) for runs in (plain, whole))
    memory, written = max(run[1] for run in whole), whole[0][2]
    rate = count / max(seconds - without, 1e-9)
    print(f"| {name} | {without:.2f} s | {seconds:.2f} s | {count / seconds:,.0f} | {rate:,.0f} | {memory:.0f} MiB | {written} |", flush=True)
    return count / seconds, rate


def measure_rules(command, folder, server, count, rounds):
    """The time of 200 rules for a record: no rule matches, so all are tried."""
    for name, rule in (("plain", r".*shop\.none_{}_\d+x,"), ("look-ahead", r".*shop\.none_(?=\d+y){}"), ("back reference", r".*(none)_{}\1")):
        rules = {rule.format(number): ["urn:li:tag:a"] for number in range(200)}
        chain = [{"type": "pattern_add_dataset_tags", "config": {"tag_pattern": {"rules": rules}}}]
        without = statistics.median(run(command, recipe(folder, [], server), folder)[0] for _ in range(rounds))
        seconds = statistics.median(run(command, recipe(folder, chain, server), folder)[0] for _ in range(rounds))
        # Each dataset is tried once, after its last record.
        print(f"| 200 rules, {name} | {(seconds - without) * 1e6 / (count / 2):.1f} µs per dataset |", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--python", default=str(TARGET / "interop-venv/bin/python"))
    arguments.add_argument("--records", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--rules", action="store_true")
    arguments = arguments.parse_args()
    gms = ThreadingHTTPServer(("127.0.0.1", 0), Gms)
    threading.Thread(target=gms.serve_forever, daemon=True).start()
    server = f"http://127.0.0.1:{gms.server_port}"
    ours = [str(TARGET / "release/datahub-emit"), "ingest", "--restart"]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_records(folder / "in.json", arguments.records)
        if arguments.rules:
            return measure_rules(ours, folder, server, arguments.records, arguments.rounds)
        print("| | without transformers | with five | records/s | records/s of the transformers | peak | written |\n|---|---|---|---|---|---|---|")
        whole, rate = measure("datahub-emit", ours, folder, server, arguments.records, arguments.rounds)
        python = [arguments.python, "-m", "datahub", "ingest", "run", "--no-progress"]
        theirs, their_rate = measure("Python client", python, folder, server, arguments.records, 1)
        print(f"\nwhole process: {whole / theirs:.0f} times; transformers alone: {rate / their_rate:.0f} times")


if __name__ == "__main__":
    main()
