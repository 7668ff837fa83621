#!/usr/bin/env python3
"""Measures how many proposals a second `datahub-emit ingest` brings into `gms serve` with a file and authentication.

    cargo build --release && benches/embedded.py [--records N] [--runs N] [--at-least PER_SECOND]

Each run has a fresh data file and a process of its own for either side; time is that of the whole client. Ends with 1 where the
median is below --at-least, or where the file does not hold every aspect afterwards.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare import TARGET, generate


def run(program, corpus, expected, directory):
    """Proposals a second of one run, and the server's seconds of CPU time."""
    data = directory / "gms.sqlite"
    (directory / "seed.yml").write_text("tokens: [{name: bench, actor: datahub, out: token}]\n")
    environment = {"HOME": str(directory), "PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"}
    serve = [program, "gms", "serve", "--listen", "127.0.0.1:0", "--data", data, "--seed", "seed.yml"]
    server = subprocess.Popen(serve, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        url = json.loads(server.stdout.readline())["gms"]
        (directory / "recipe.yml").write_text(json.dumps({
            "source": {"type": "file", "config": {"path": str(corpus)}},
            "sink": {"type": "datahub-rest", "config": {"server": url, "token": (directory / "token").read_text().strip()}},
        }))
        start = time.perf_counter()
        ingest = [program, "ingest", "-c", "recipe.yml", "--no-progress"]
        subprocess.run(ingest, cwd=directory, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        taken = time.perf_counter() - start
    finally:
        server.terminate()
        _, _, usage = os.wait4(server.pid, 0)
        server.returncode = 0
        server.stdout.close()
    # Rows and not only answers: an aspect that was written again has an older version beside the latest.
    found = sqlite3.connect(data).execute("SELECT count(DISTINCT urn || aspect) FROM aspect WHERE aspect <> 'datasetKey' "
                                          "AND urn LIKE 'urn:li:dataset:%'").fetchone()[0]
    if found != expected:
        sys.exit(f"the file holds {found} aspects, not {expected}")
    return usage.ru_utime + usage.ru_stime, taken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--at-least", type=float, default=0, metavar="PER_SECOND")
    parser.add_argument("--emit", default=str(TARGET / "release" / "datahub-emit"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch, "corpus.json")
        generate(arguments.records, str(corpus), 1)
        records = json.loads(corpus.read_text())
        expected = len({(record["entityUrn"], record["aspectName"]) for record in records})
        rates = []
        for number in range(arguments.runs):
            directory = Path(scratch, str(number))
            directory.mkdir()
            cpu, taken = run(arguments.emit, corpus, expected, directory)
            rates.append(arguments.records / taken)
            print(f"  {rates[-1]:,.0f} proposals a second, {cpu:.2f} s of CPU time in the server", file=sys.stderr)
    median = statistics.median(rates)
    print(f"{median:,.0f} proposals a second into SQLite (median of {arguments.runs} runs of {arguments.records:,})")
    return median < arguments.at_least


if __name__ == "__main__":
    sys.exit(main())
