#!/usr/bin/env python3
"""Compares datahub-emit with DataHub's Python client, side by side on one machine.

    tests/interop/run                 installs the Python client into target/interop-venv
    benches/compare.py                about ten minutes; prints a table
    benches/compare.py --ten-times    also reads a file ten times as long, to see that memory stays as it is
    benches/compare.py --table        datahub-emit alone: numbers of records, threads and latencies, sizes of records

Both run the same recipe (`file` source, `datahub-rest` sink, all settings default) against the same server, which reads
every request whole, checks the token and stores nothing (examples/drain.rs). They take turns, and each figure is the
median. Time is that of the whole process, start-up included. A run counts only if the server saw every proposal.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TOKEN = "benchmark-token-of-no-server"

# --- The corpus: an invented warehouse's export, the same for the same seed. ---------

NOUNS = ("basket parcel depot courier refund voucher loyalty tariff stock supplier pallet ledger booking visit search "
         "review rating campaign banner consent device session payment dispute subsidy forecast holiday branch").split()
KINDS = "id key code name note count total share state since until owner source version hash flag region unit".split()
NATIVE = {"StringType": "VARCHAR(16777216)", "NumberType": "NUMBER(38,0)", "TimeType": "TIMESTAMP_TZ(9)", "DateType": "DATE",
          "BooleanType": "BOOLEAN", "RecordType": "VARIANT", "ArrayType": "ARRAY", "BytesType": "BINARY(8388608)"}
TEXTS = ["Given by the source system and never changed.", "Empty until the night run has filled it.",
         "Price in minor units: 4990 is 49,90 €.", "As the customer typed it: \"quotes\", tabs\t, line ends\nand all.",
         "Names as they are: Łódź, Århus, 札幌, Αθήνα.", "See the wiki before joining on this column."]


class Corpus:
    """Records one after another; five aspects to a dataset on average, a fifth of them schemas."""

    ASPECTS = {"schemaMetadata": 20, "datasetProperties": 20, "status": 15, "ownership": 10, "globalTags": 10,
               "upstreamLineage": 10, "browsePathsV2": 10, "subTypes": 5}

    def __init__(self, seed):
        self.random = random.Random(seed)

    def record(self, index):
        aspect = self.random.choices(list(self.ASPECTS), self.ASPECTS.values())[0]
        return {
            "entityType": "dataset",
            "entityUrn": self.dataset(index // 5),
            "changeType": "UPSERT",
            "aspectName": aspect,
            "aspect": {"json": getattr(self, aspect)(index)},
            "systemMetadata": {"lastObserved": 1795060812000 + index, "runId": "warehouse-2026_11_19-04_00_12-c0ffee",
                               "lastRunId": "no-run-id-provided"},
        }

    def dataset(self, number):
        return f"urn:li:dataset:(urn:li:dataPlatform:snowflake,bench.{NOUNS[number % len(NOUNS)]}.table_{number},PROD)"

    def stamp(self):
        return {"time": 1795060812000 - self.random.randrange(10**10), "actor": "urn:li:corpuser:loader"}

    def text(self, most):
        return " ".join(self.random.choices(TEXTS, k=self.random.randint(1, most)))

    def schemaMetadata(self, index):
        return {"schemaName": f"bench.table_{index // 5}", "platform": "urn:li:dataPlatform:snowflake", "version": 0,
                "created": self.stamp(), "lastModified": self.stamp(), "hash": "",
                "platformSchema": {"com.linkedin.schema.MySqlDDL": {"tableSchema": ""}},
                "fields": [self.field(place) for place in range(self.random.randint(12, 58))]}

    def field(self, place):
        kind = self.random.choice(list(NATIVE))
        tags = [{"tag": f"urn:li:tag:{self.random.choice(NOUNS)}"}] if self.random.random() < 0.1 else []
        return {"fieldPath": f"[version=2.0].[type=struct].{self.random.choice(NOUNS)}_{self.random.choice(KINDS)}_{place}",
                "nullable": place > 0 and self.random.random() < 0.6, "description": self.random.choice(TEXTS),
                "type": {"type": {f"com.linkedin.schema.{kind}": {}}}, "nativeDataType": NATIVE[kind], "recursive": False,
                "globalTags": {"tags": tags}, "isPartOfKey": place == 0}

    def datasetProperties(self, index):
        keys = self.random.sample(KINDS, self.random.randint(2, 8))
        return {"customProperties": {key: str(self.random.randrange(10**7)) for key in keys}, "name": f"table_{index // 5}",
                "qualifiedName": f"BENCH.TABLE_{index // 5}", "description": self.text(3), "tags": []}

    def status(self, _):
        return {"removed": self.random.random() < 0.02}

    def ownership(self, _):
        return {"owners": [{"owner": f"urn:li:corpuser:{name}", "type": "TECHNICAL_OWNER"}
                           for name in self.random.sample(NOUNS, self.random.randint(1, 3))],
                "ownerTypes": {}, "lastModified": self.stamp()}

    def globalTags(self, _):
        return {"tags": [{"tag": f"urn:li:tag:{name}"} for name in self.random.sample(NOUNS, self.random.randint(1, 4))]}

    def upstreamLineage(self, index):
        return {"upstreams": [{"auditStamp": self.stamp(), "dataset": self.dataset(self.random.randrange(index + 9)),
                               "type": "TRANSFORMED"} for _ in range(self.random.randint(1, 5))]}

    def browsePathsV2(self, _):
        container = f"urn:li:container:{self.random.getrandbits(128):032x}"
        return {"path": [{"id": "bench"}, {"id": self.random.choice(NOUNS)}, {"id": container, "urn": container}]}

    def subTypes(self, _):
        return {"typeNames": [self.random.choice(["Table", "View", "External Table"])]}


def generate(count, path, seed):
    """Writes `count` records: JSON Lines where the name ends in .jsonl, else an array as DataHub's file sink lays it out."""
    corpus = Corpus(seed)
    with open(path, "w", encoding="ascii") as file:
        if path.endswith(".jsonl"):
            for index in range(count):
                file.write(json.dumps(corpus.record(index), separators=(",", ":")) + "\n")
            return
        file.write("[\n")
        for index in range(count):
            file.write((",\n" if index else "") + json.dumps(corpus.record(index), indent=4))
        file.write("\n]\n")


# --- Running and measuring ---------------------------------------------------------


# Runs the command that follows the file name, and writes its time and memory to the file. It runs in a small
# process, because a child's peak memory is at least the memory of its parent at its start.
MEASURE = """
import json, os, sys, time
start = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
wall = time.perf_counter() - start
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024], file)
"""


class Drain:
    """The server that both are measured against. A context manager."""

    def __init__(self, program, delay_ms):
        self.command = [program, TOKEN, str(delay_ms)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.process.stdout.readline())["gms"]
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def stats(self):
        with self.opener.open(self.url + "/stats") as answer:
            return json.load(answer)

    def reset(self):
        self.opener.open(urllib.request.Request(self.url + "/reset", method="POST")).close()


class Bench:
    def __init__(self, arguments, drain, directory):
        self.drain, self.directory = drain, directory
        self.clients = {
            "Python client": [os.path.abspath(arguments.python), "ingest", "run", "--no-default-report", "-c"],
            "datahub-emit": [os.path.abspath(arguments.emit), "ingest", "-c"],
        }

    def corpus(self, count, name):
        path = str(self.directory / name)
        subprocess.run([sys.executable, __file__, "--generate", path, "--records", str(count)], check=True)
        return path

    def run(self, client, path, count, piped=None, sink=None):
        """One run: seconds of wall time, seconds of CPU time, peak MiB. `piped` is a file for standard input, and how
        many times it is given; `sink` holds settings of the sink."""
        self.drain.reset()
        recipe = self.directory / "recipe.yml"
        recipe.write_text(json.dumps({
            "source": {"type": "file", "config": {"path": path}},
            "sink": {"type": "datahub-rest", "config": {"server": self.drain.url, "token": TOKEN, **(sink or {})}},
        }))
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATAHUB_", "XDG_"))}
        environment = kept | {"HOME": str(self.directory), "DATAHUB_TELEMETRY_ENABLED": "false", "NO_PROXY": "127.0.0.1"}
        measured = self.directory / "measured.json"
        command = [sys.executable, "-ISc", MEASURE, str(measured)] + self.clients[client] + [str(recipe)]
        with open(self.directory / "log", "w+") as log:
            child = subprocess.Popen(command, env=environment, cwd=self.directory,
                                     stdin=subprocess.PIPE if piped else subprocess.DEVNULL, stdout=log, stderr=log)
            if piped:
                pour(child.stdin, *piped)
            child.wait()
            code, wall, cpu, memory = json.loads(measured.read_text())
            stats = self.drain.stats()
            if code != 0 or stats["proposals"] != count:
                log.seek(0)
                sys.exit(f"{client}: exit code {code}, {stats['proposals']} of {count} proposals arrived\n"
                         f"{log.read()[-4000:]}")
        print(f"  {client}: {wall:.3f} s", file=sys.stderr)
        return wall, cpu, memory

    def piped(self, lines, copies, runs, sink=None):
        """datahub-emit alone, over `copies` of a JSON Lines file on standard input, so that no file has to be as long."""
        with open(lines, "rb") as file:
            count = sum(1 for _ in file) * copies
        found = [self.run("datahub-emit", "-", count, (lines, copies), sink) for _ in range(runs)]
        return [middle(column) for column in zip(*found)]

    def medians(self, path, count, runs, clients=None):
        """The clients in turn, `runs` times; the median of each figure."""
        print(f"{count} records, {Path(path).stat().st_size / 1e6:.1f} MB", file=sys.stderr)
        clients = clients or list(self.clients)
        found = {client: [] for client in clients}
        for _ in range(runs):
            for client in clients:
                found[client].append(self.run(client, path, count))
        return {client: [middle(column) for column in zip(*rows)] for client, rows in found.items()}


def pour(pipe, path, copies):
    """Writes a file into a pipe again and again. Who reads may go away; its exit code tells."""
    text = Path(path).read_bytes()
    try:
        with pipe:
            for _ in range(copies):
                pipe.write(text)
    except BrokenPipeError:
        pass


def table(arguments, directory):
    """What datahub-emit does alone, over numbers of records, sizes of records, and threads and latencies."""
    drain, lines = str(TARGET / "release/examples/drain"), str(directory / "sized.jsonl")
    print("| records | wall time | CPU time | records/s | peak memory |\n|---|---|---|---|---|")
    with Drain(drain, 0) as server:
        bench = Bench(arguments, server, directory)
        for count in (10**power for power in range(3, arguments.largest + 1)):
            # Entities repeat after 10,000 records, which are never in flight at the same time.
            many = bench.corpus(min(count, 10_000), "many.jsonl")
            wall, cpu, memory = bench.piped(many, max(1, count // 10_000), arguments.runs)
            print(f"| {count:,} | {wall:.3f} s | {cpu:.3f} s | {count / wall:,.0f} | {memory:.0f} MiB |", flush=True)

        print("\n| bytes a record | records | wall time | MB/s | peak memory |\n|---|---|---|---|---|")
        for size in (300, 1_000, 10_000, 100_000, 1_000_000):
            records = min(100_000, 100_000_000 // size)
            sized(lines, size, records)
            wall, _, memory = bench.piped(lines, 1, arguments.runs)
            print(f"| {size:,} | {records:,} | {wall:.3f} s | {Path(lines).stat().st_size / wall / 1e6:,.0f} | {memory:.0f} MiB |",
                  flush=True)

    threads, batch, rounds = (1, 4, 15, 64), 100, 30
    print("\n| latency | " + " | ".join(f"{number} threads" for number in threads) + " |\n|---" + "|---" * len(threads) + "|")
    for latency in (0, 20, 200):
        cells = []
        with Drain(drain, latency) as server:
            bench = Bench(arguments, server, directory)
            for number in threads:
                records = number * rounds * batch if latency else 100_000
                sized(lines, 500, records)
                # The default bound is meant for the default number of threads.
                sink = {"max_threads": number, "max_pending_requests": max(2_000, 2 * number * batch)}
                wall, _, _ = bench.piped(lines, 1, 1, sink)
                most = f", {records / wall / (number * batch * 1000 / latency):.0%} of the limit" if latency else ""
                cells.append(f"{records / wall:,.0f}/s{most}")
        print(f"| {latency} ms | " + " | ".join(cells) + " |", flush=True)


def sized(path, size, records):
    """Writes records of about `size` bytes as JSON Lines, each about an entity of its own."""
    text = "As the customer typed it: \"quotes\" and all. "
    with open(path, "w", encoding="ascii") as file:
        for index in range(records):
            record = {"entityType": "dataset", "entityUrn": f"urn:li:dataset:(urn:li:dataPlatform:hive,bench.t{index},PROD)",
                      "changeType": "UPSERT", "aspectName": "datasetProperties", "aspect": {"json": {"description": ""}}}
            room = max(0, size - len(json.dumps(record)))
            record["aspect"]["json"]["description"] = text * (room // len(json.dumps(text)[1:-1]))
            file.write(json.dumps(record, separators=(",", ":")) + "\n")


def middle(values):
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def row(name, theirs, ours, unit, digits, more_is_better=False):
    ratio = ours / theirs if more_is_better else theirs / ours
    what = "×" if more_is_better else "× less"
    print(f"| {name} | {theirs:,.{digits}f} {unit} | {ours:,.{digits}f} {unit} | {ratio:,.{0 if ratio >= 10 else 1}f} {what} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000, help="records in the file (20,000)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (3); with one record, three times as many")
    parser.add_argument("--delay-ms", type=int, default=0, help="how long the server takes to answer (0)")
    parser.add_argument("--ten-times", action="store_true", help="also ten times the records, as JSON Lines, datahub-emit alone")
    parser.add_argument("--table", action="store_true", help="datahub-emit alone, over sizes, threads and latencies")
    parser.add_argument("--largest", type=int, default=6, help="with --table: up to ten to the power of this many records (6)")
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--python", default=str(TARGET / "interop-venv/bin/datahub"), help="the Python client's `datahub`")
    parser.add_argument("--emit", help="datahub-emit; without it, a release build of this checkout")
    parser.add_argument("--generate", metavar="FILE", help="only write the corpus")
    arguments = parser.parse_args()
    if arguments.generate:
        generate(arguments.records, arguments.generate, arguments.seed)
        return
    if not arguments.table and not os.access(arguments.python, os.X_OK):
        sys.exit(f"no Python client at {arguments.python}: run tests/interop/run first, or say where it is with --python")
    subprocess.run(["cargo", "build", "--locked", "--release", "--bin", "datahub-emit", "--example", "drain"], cwd=ROOT, check=True)
    arguments.emit = arguments.emit or str(TARGET / "release/datahub-emit")

    if arguments.table:
        with tempfile.TemporaryDirectory(prefix="datahub-emit-bench-") as name:
            table(arguments, Path(name))
        return

    drain = str(TARGET / "release/examples/drain")
    with tempfile.TemporaryDirectory(prefix="datahub-emit-bench-") as name, Drain(drain, arguments.delay_ms) as server:
        bench = Bench(arguments, server, Path(name))
        many = bench.medians(bench.corpus(arguments.records, "many.json"), arguments.records, arguments.runs)
        one = bench.medians(bench.corpus(1, "one.json"), 1, arguments.runs * 3)
        longer = None
        if arguments.ten_times:
            count = arguments.records * 10
            longer = bench.medians(bench.corpus(count, "longer.jsonl"), count, 1, ["datahub-emit"])

    (wall, cpu, memory), (our_wall, our_cpu, our_memory) = many["Python client"], many["datahub-emit"]
    print("| | Python client | datahub-emit | |\n|---|---|---|---|")
    row(f"{arguments.records:,} records", arguments.records / wall, arguments.records / our_wall, "records/s", 0, True)
    row("wall time", wall, our_wall, "s", 2)
    row("CPU time", cpu, our_cpu, "s", 2)
    row("peak memory", memory, our_memory, "MiB", 0)
    row("one record, start to finish", one["Python client"][0] * 1000, one["datahub-emit"][0] * 1000, "ms", 0)
    if longer:
        long_wall, _, long_memory = longer["datahub-emit"]
        print(f"| {arguments.records * 10:,} records (JSON Lines) | | {long_wall:.2f} s, {long_memory:.0f} MiB | |")


if __name__ == "__main__":
    main()
