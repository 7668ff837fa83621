"""A test that types commands, both clients told by ~/.datahubenv where GMS is."""

import json
import unittest
from typing import Any

from clients import DATAHUB
from embedded import PROGRAM, Gms


class CommandLine(unittest.TestCase):
    seed: dict[str, Any] | None = None

    def setUp(self) -> None:
        self.gms = self.enterContext(Gms(self.seed))
        self.log_in(self.gms.url, self.gms.token)

    def log_in(self, server: str, token: str) -> None:
        """Has both clients talk to this server with this token."""
        # JSON is YAML too.
        (self.gms.home / ".datahubenv").write_text(json.dumps({"gms": {"server": server, "token": token}}))

    def datahub(self, *arguments: str) -> str:
        return self.gms.run(DATAHUB, *arguments).stdout

    def datahub_fails(self, *arguments: str) -> str:
        """Runs a command that must end with an error, and returns all that it says."""
        ended = self.gms.start(DATAHUB, *arguments)
        self.assertNotEqual(0, ended.returncode, ended.stdout)
        return ended.stdout + ended.stderr

    def emit(self, *arguments: str) -> str:
        return self.gms.run(PROGRAM, *arguments).stdout

    def file(self, name: str, value: object) -> str:
        path = self.gms.home / name
        path.write_text(json.dumps(value))
        return str(path)

    def aspect(self, urn: str, aspect: str) -> Any:
        """What the server has stored, or `None`."""
        stored = self.gms.rows().get((urn, aspect, 0))
        return stored and stored[0]
