"""A PostgreSQL server for a test. It refuses to run as root, so a user without privileges runs it."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

# Debian does not put them on the path.
DEBIAN = Path("/usr/lib/postgresql")

DEADLINE_SECONDS = 120


def program(name: str) -> str:
    """The path of a program of PostgreSQL."""
    newest_first = sorted(DEBIAN.glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    path = os.pathsep.join([*map(str, newest_first), os.environ["PATH"]])
    found = shutil.which(name, path=path)
    if not found:
        raise AssertionError(f"{name} is not installed; the Debian package is postgresql")
    return found


class Postgres:
    """A server on a free port with an empty data directory. A context manager."""

    def __enter__(self) -> "Postgres":
        self._directory = tempfile.TemporaryDirectory(prefix="datahub-emit-postgres-")
        self._data = Path(self._directory.name) / "data"
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(self._directory.name, user.pw_uid, user.pw_gid)
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "--auth=trust", "--username=loader", "--no-sync", "--encoding=UTF8", "--locale=C", "--pgdata", str(self._data))
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self._directory.name} -c fsync=off"
        # It returns once the server accepts connections.
        self._control("start", "--wait", "-o", options, "--log", str(Path(self._directory.name) / "log"))
        self.sql("postgres", "CREATE DATABASE shop")
        return self

    def __exit__(self, *_: object) -> None:
        self._control("stop", "--wait", "--mode=immediate")
        self._directory.cleanup()

    def sql(self, database: str, *statements: str) -> None:
        """Runs statements, one after another."""
        commands = [argument for statement in statements for argument in ("--command", statement)]
        where = ["--host=127.0.0.1", f"--port={self.port}", "--username=loader", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]
        self._run("psql", *where, "--dbname", database, *commands)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "--pgdata", str(self._data), f"--timeout={DEADLINE_SECONDS}", *arguments)

    def _run(self, name: str, *arguments: str) -> None:
        # The server keeps the streams of `pg_ctl start` open, so a pipe would never end.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [program(name), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._directory.name,
                timeout=2 * DEADLINE_SECONDS,
                **self._user,
            )
            output.seek(0)
            if done.returncode != 0:
                raise AssertionError(f"{name} ended with exit code {done.returncode}: {output.read()[-4000:]}")
