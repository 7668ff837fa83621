"""An embedded GMS for a test: a process of its own, a database file of its own, a token that it issued."""

import contextlib
import json
import os
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from threading import Timer
from typing import Any

PROGRAM = os.environ["DATAHUB_EMIT"]
ROOT = Path(__file__).resolve().parents[2]

# An hour before this was read: a clock that is set meanwhile does not jump by more.
STARTED = (time.time() - 3600) * 1000

# Nobody waits longer than this for anything here; it is only there so that a hang becomes a failure.
DEADLINE_SECONDS = 120


def environment(home: Path) -> dict[str, str]:
    """The environment of a child: none of the user's own DataHub settings, and no state outside `home`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATAHUB_", "XDG_"))}
    return kept | {
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "DATAHUB_TELEMETRY_ENABLED": "false",
    }


def comparable(system_metadata: dict[str, Any]) -> dict[str, Any]:
    """System metadata without the client's name, and without the time where it is that of the run."""
    kept = dict(system_metadata)
    if kept.get("lastObserved", 0) > STARTED:
        del kept["lastObserved"]
    properties = kept.get("properties") or {}
    kept["properties"] = {name: value for name, value in properties.items() if not name.startswith("client")}
    return kept


class Gms:
    """`datahub-emit gms serve` on a free port, with a token of the user `datahub`. A context manager.

    A seed gives it users, policies and tokens beside that."""

    def __init__(self, seed: dict[str, Any] | None = None) -> None:
        self._seed = seed

    def __enter__(self) -> "Gms":
        self._directory = tempfile.TemporaryDirectory(prefix="datahub-emit-interop-")
        self.home = Path(self._directory.name)
        self.data = self.home / "gms.sqlite"
        self._errors = (self.home / "gms.log").open("w+")
        arguments = ["--listen", "127.0.0.1:0", "--data", str(self.data)]
        if self._seed:
            users = [{"name": "datahub", "password": "datahub"}, *self._seed.get("users", [])]
            (self.home / "seed.json").write_text(json.dumps(self._seed | {"users": users}))
            arguments += ["--seed", str(self.home / "seed.json")]
        self._process = subprocess.Popen(
            [PROGRAM, "gms", "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(self.home),
            cwd=ROOT,
        )
        try:
            ready = self._ready()
            self.url, self.frontend = ready["gms"].rstrip("/"), ready["frontend"].rstrip("/")
            created = self.run(PROGRAM, "gms", "token", "create", "--data", str(self.data), "--actor", "datahub")
            self.token = created.stdout.strip()
            if not self.token:
                raise AssertionError(f"no token was printed: {created.stderr}")
            # Its user and its token.
            self._own = frozenset[str]()
            self._own = frozenset(urn for urn, *_ in self.rows())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()
        self._directory.cleanup()

    def _ready(self) -> dict[str, Any]:
        """The line that says where it listens."""
        guard = Timer(DEADLINE_SECONDS, self._process.kill)
        guard.start()
        try:
            line = self._process.stdout.readline()
        finally:
            guard.cancel()
        if not line:
            self._errors.seek(0)
            raise AssertionError(f"`gms serve` ended before it was ready: {self._errors.read()}")
        return json.loads(line)

    def start(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment(self.home) | variables,
            cwd=self.home,
            timeout=DEADLINE_SECONDS,
        )

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a command that must succeed."""
        done = self.start(*command, **variables)
        if done.returncode != 0:
            shown = " ".join(command)
            raise AssertionError(f"{shown}\nexit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done

    def aspects(self, urn: str) -> dict[str, Any]:
        """All latest aspects of an entity: name to value."""
        entity = self.get(f"/entitiesV2/{urllib.parse.quote(urn, safe='')}")
        return {name: aspect["value"] for name, aspect in entity["aspects"].items()}

    def rows(self) -> dict[tuple[Any, ...], Any]:
        """What the server has stored since it was ready, out of its data file: every version of every aspect, and every
        row of every time series. What tells the clients apart, or the moment, is left out."""
        with contextlib.closing(sqlite3.connect(f"file:{self.data}?mode=ro", uri=True)) as database:
            aspects = database.execute("SELECT urn, aspect, version, metadata, system_metadata FROM aspect")
            series = database.execute("SELECT urn, aspect, timestamp, metadata, system_metadata FROM timeseries")
            return {
                (urn, aspect, which): (json.loads(value), comparable(json.loads(system)))
                for urn, aspect, which, value, system in [*aspects, *series]
                if urn not in self._own
            }

    def requests(self) -> list[dict[str, Any]]:
        """The requests that arrived, in their order."""
        return self.get("/requests")

    def get(self, path: str, token: str | None = None) -> Any:
        """GET, with the server's own token unless another is given."""
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {token or self.token}", "Accept": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=DEADLINE_SECONDS) as answer:
            return json.load(answer)
