"""Runs a DataHub source in a child process of ``datahub-emit``.

The parent starts a Python interpreter with a socket as standard input, and sends this file over it. Both sides
then exchange lines of JSON on that socket:

    parent to child   {"start": {...}}                    the recipe, once
                      {"ack": [first, last]}              these records are delivered
                      {"failed": seq, "message": "..."}   this record is not delivered
                      {"flushed": n}                      every record before flush n has an outcome
                      {"stop": "reason"}                  nothing more is delivered in this run
    child to parent   {"seq": n, "record": {...}}         one record
                      {"seq": n, "invalid": "..."}        why a record cannot be delivered, and its text on a new line
                      {"flush": n}                        asks for "flushed"
                      {"report": {...}}                   the report of the source
                      {"error": {...}}                    why the source cannot run
                      {"description": {...}}              where the source would run
                      {"connection": {...}}               the result of the source's connection test
                      {"end": true}                       the source has ended

DataHub's own ``Pipeline`` runs the source. Only its sink is replaced: :func:`sink_class` makes one that sends
records to the parent, and calls back when the parent knows their outcome. ``flush()`` waits for all outcomes, so
the pipeline commits a state checkpoint only after everything was delivered.

This file supports Python 3.8 and later. It imports nothing but the standard library until it runs the pipeline,
so that it can report what is missing.
"""

import ctypes
import importlib.metadata
import inspect
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional

#: How long processes that the source has started may take to end after SIGTERM, in seconds.
GRACE_SECONDS = 2.0

#: How often, and how far apart, a process that was asked to end checks whether its parent is alive.
PARENT_CHECKS = 10
PARENT_CHECK_SECONDS = 0.05

#: The name under which the sink is importable while the pipeline runs.
MODULE_NAME = "datahub_emit_bridge"

PACKAGE = "acryl-datahub"

#: PR_SET_PDEATHSIG of prctl(2).
_SET_PARENT_DEATH_SIGNAL = 1

Outcome = Callable[[Optional[str]], None]


class ParentGone(Exception):
    """The parent has closed the socket."""


class Channel:
    """Sends messages to the parent. Several threads may use it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: Dict[str, Any]) -> None:
        line = json.dumps(message, separators=(",", ":"), default=str).encode() + b"\n"
        with self._lock:
            try:
                self._connection.sendall(line)
            except OSError as error:
                raise ParentGone() from error


class Deliveries:
    """The records that were sent to the parent and have no outcome yet.

    At most ``window`` records are without an outcome: then :meth:`send` waits, which slows the source down. After
    :meth:`stop` nothing waits any more. The parent still stores the records, but they count as not delivered.
    """

    def __init__(self, channel: Channel, window: int) -> None:
        self._channel = channel
        self._window = window
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._pending: Dict[int, Outcome] = {}
        self._next = 0
        self._flushes = 0
        self._flushed = 0
        self._stopped: Optional[str] = None

    @property
    def stopped(self) -> Optional[str]:
        """Why nothing more is delivered."""
        with self._changed:
            return self._stopped

    def send(self, content: Dict[str, Any], outcome: Outcome) -> None:
        """Sends a record. ``outcome`` gets None once it is delivered, or else the reason."""
        with self._sending:
            with self._changed:
                self._changed.wait_for(lambda: len(self._pending) < self._window or self._stopped is not None)
                number = self._next
                self._next += 1
                stopped = self._stopped
                if stopped is None:
                    self._pending[number] = outcome
            # Records must be on the way in the order of their numbers.
            self._channel.send({"seq": number, **content})
        if stopped is not None:
            outcome(stopped)

    def flush(self) -> None:
        """Waits until every record that was sent has an outcome."""
        with self._sending:
            with self._changed:
                self._flushes += 1
                number = self._flushes
            self._channel.send({"flush": number})
        with self._changed:
            self._changed.wait_for(lambda: self._flushed >= number or self._stopped is not None)

    def acknowledge(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            self._settle(number, None)

    def fail(self, number: int, message: str) -> None:
        self._settle(number, message)

    def flushed(self, number: int) -> None:
        with self._changed:
            self._flushed = max(self._flushed, number)
            self._changed.notify_all()

    def stop(self, reason: str) -> None:
        with self._changed:
            self._stopped = reason
            pending, self._pending = self._pending, {}
        for outcome in pending.values():
            outcome(reason)
        # A thread that waits for a flush reads the failures of the sink next, so they are reported before.
        with self._changed:
            self._changed.notify_all()

    def _settle(self, number: int, reason: Optional[str]) -> None:
        with self._changed:
            outcome = self._pending.pop(number, None)
            self._changed.notify_all()
        if outcome is not None:
            outcome(reason)


def receive(commands: BinaryIO, deliveries: Deliveries) -> None:
    """Handles the parent's messages until it closes the socket."""
    for line in commands:
        message = json.loads(line)
        if "ack" in message:
            first, last = message["ack"]
            deliveries.acknowledge(first, last)
        elif "failed" in message:
            deliveries.fail(message["failed"], message["message"])
        elif "flushed" in message:
            deliveries.flushed(message["flushed"])
        elif "stop" in message:
            deliveries.stop(message["stop"])


def end_process_group() -> None:
    """Ends this process and those that the source has started."""
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


def end_helpers(parent: int) -> None:
    """Ends the processes that the source has started, after this one was asked to end.

    The kernel sends the parent-death signal when the first thread of a dying parent ends, so the parent may look
    alive for a moment. A living parent kills the rest of the group when this process has ended.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    for _ in range(PARENT_CHECKS):
        if os.getppid() != parent:
            os.killpg(0, signal.SIGKILL)
        time.sleep(PARENT_CHECK_SECONDS)


def end_with_parent(parent: int) -> None:
    """Lets the kernel end this process when the parent dies, even while it executes foreign code.

    The end of the socket reports the same, but the thread that reads it needs the interpreter.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        # The parent has died before the call.
        os.killpg(0, signal.SIGKILL)


def on_terminate(parent: int) -> Callable[[int, Any], None]:
    """A handler of SIGTERM. It lets the source close its connections, unless the parent is dead."""

    def handle(_signal: int, _frame: Any) -> None:
        if os.getppid() != parent:
            os.killpg(0, signal.SIGKILL)
        raise SystemExit(128 + signal.SIGTERM)

    return handle


def to_object(record: Any) -> Any:
    """The JSON form of a record: a proposal with its aspect as text, a snapshot or a usage aggregation."""
    make_mcp = getattr(record, "make_mcp", None)
    if make_mcp is not None:
        record = make_mcp()
    return record.to_obj()


def failed_record(error: Exception, envelope: Any) -> str:
    """What is wrong with a record in one line, and the record."""
    try:
        text = json.dumps(to_object(envelope.record))
    except Exception:
        text = repr(envelope.record)
    what = " ".join("{}: {}".format(type(error).__name__, error).split())
    return "{}\n{}".format(what, text)


def keep_failed_records(pipeline: Any, deliveries: Deliveries) -> None:
    """Has every record counted whose transformer raises an error. The pipeline itself logs the error and
    continues without the record."""
    transform = pipeline.transform

    def keeping(envelopes: Any) -> Iterator[Any]:
        for envelope in envelopes:
            if type(envelope.record).__name__ == "EndOfStream":
                # Transformers add any number of records here. An error ends the run.
                yield from transform([envelope])
                continue
            try:
                transformed = list(transform([envelope]))
            except Exception as error:
                traceback.print_exc()
                deliveries.send({"invalid": "a transformer fails: " + failed_record(error, envelope)}, lambda reason: None)
            else:
                yield from transformed

    pipeline.transform = keeping


def sink_class(deliveries: Deliveries) -> type:
    """The sink that takes the place of the recipe's."""
    from datahub.configuration.common import ConfigModel
    from datahub.ingestion.api.sink import Sink, SinkReport

    class BridgeConfig(ConfigModel):
        pass

    class BridgeSink(Sink[BridgeConfig, SinkReport]):
        @classmethod
        def create(cls, config_dict: Dict[str, Any], ctx: Any) -> "BridgeSink":
            return cls(ctx, BridgeConfig())

        def __init__(self, ctx: Any, config: BridgeConfig) -> None:
            self.ctx = ctx
            self.config = config
            self.report = SinkReport()
            self._pre_shutdown_callbacks: List[Callable[[], None]] = []
            self.reported_stop = False

        # Older releases call these for every work unit.
        def handle_work_unit_start(self, workunit: Any) -> None:
            pass

        def handle_work_unit_end(self, workunit: Any) -> None:
            pass

        def write_record_async(self, record_envelope: Any, write_callback: Any) -> None:
            def outcome(reason: Optional[str]) -> None:
                if reason is None:
                    self.report.report_record_written(record_envelope)
                    write_callback.on_success(record_envelope, {})
                    return
                # After a stop all records fail for the same reason, which is reported once.
                if reason != deliveries.stopped or not self.reported_stop:
                    self.reported_stop = self.reported_stop or reason == deliveries.stopped
                    self.report.report_failure({"error": reason, "metadata": record_envelope.metadata})
                write_callback.on_failure(record_envelope, RuntimeError(reason), {})

            try:
                content = {"record": to_object(record_envelope.record)}
                json.dumps(content)
            except Exception as error:
                content = {"invalid": "it cannot be written as JSON: " + failed_record(error, record_envelope)}
            deliveries.send(content, outcome)

        def flush(self) -> None:
            deliveries.flush()

        def close(self) -> None:
            # Reporters may still write records.
            super().close()
            self.flush()

    return BridgeSink


def causes(error: Optional[BaseException]) -> Iterator[BaseException]:
    """An error, and the errors that it was raised from."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def config_errors(error: BaseException) -> List[Dict[str, Any]]:
    """The errors that pydantic found in ``source.config``: the path of each, and its message."""
    for cause in causes(error):
        errors = getattr(cause, "errors", None)
        if type(cause).__name__ != "ValidationError" or not callable(errors):
            continue
        found = []
        for item in errors():
            path = [part for part in item.get("loc", ()) if part != "__root__"]
            found.append({"path": path, "message": item.get("msg", "")})
        return found
    return []


def extras() -> List[str]:
    """The extras of the installed package."""
    try:
        return importlib.metadata.metadata(PACKAGE).get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:
        return []


def package_version() -> Optional[str]:
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None


class CannotRun(Exception):
    """The source cannot run. ``details`` is the "error" message."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = {"code": code, "message": message, **details}


def find_source(source_type: str) -> type:
    """The class of a source.

    Raises CannotRun if its package, or one that it needs, is not installed.
    """
    try:
        from datahub.ingestion.source.source_registry import source_registry
    except ImportError as error:
        code = "package-missing" if package_version() is None else "plugin-missing"
        raise CannotRun(code, str(error)) from error
    try:
        return source_registry.get(source_type)
    except Exception as error:
        missing = [cause for cause in causes(error) if isinstance(cause, ModuleNotFoundError)]
        raise CannotRun(
            "plugin-missing",
            str(missing[0] if missing else error.args[0] if error.args else error),
            module=missing[0].name if missing else None,
            extra=source_type if source_type in extras() else None,
            known=source_type in source_registry.mapping,
        ) from error


def describe(source_type: str) -> Dict[str, Any]:
    """Where the source runs. Its class is imported, and nothing is connected."""
    description: Dict[str, Any] = {
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "package": package_version(),
    }
    try:
        find_source(source_type)
    except CannotRun as error:
        description["error"] = error.details
    return description


def check_connection(recipe: Dict[str, Any]) -> Dict[str, Any]:
    """The report of the connection test that the source brings along."""
    find_source(recipe["source"]["type"])
    from datahub.ingestion.run.connection import ConnectionManager

    try:
        report = ConnectionManager().test_source_connection(recipe)
    except Exception as error:
        found = config_errors(error)
        if found:
            raise CannotRun("config", str(error), errors=found) from error
        raise
    # Its object has keys that are not text.
    return json.loads(report.as_json())


def supported(function: Callable[..., Any], wanted: Dict[str, Any]) -> Dict[str, Any]:
    """Those of the arguments that a function of this release takes."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in wanted.items() if name in known}


def entries(found: Any) -> List[str]:
    """The failures or warnings of a source's report as text; releases differ in their types."""
    items = found.items() if isinstance(found, dict) else enumerate(found)
    shown = []
    for key, item in items:
        if isinstance(item, dict):
            words = [str(item.get(name)) for name in ("title", "message") if item.get(name)]
            context = item.get("context")
            text = ": ".join(words) or str(item)
            if context:
                listed = context if isinstance(context, (list, tuple)) else [context]
                text += " ({})".format("; ".join(str(one) for one in listed))
        elif isinstance(key, str):
            listed = item if isinstance(item, (list, tuple)) else [item]
            text = "{}: {}".format(key, "; ".join(str(one) for one in listed))
        else:
            text = str(item)
        shown.append(text)
    return shown


def source_report(pipeline: Any) -> Dict[str, Any]:
    """The report of the source, and how the pipeline has ended."""
    report = pipeline.source.get_report()
    as_object = report.as_obj()
    failures = entries(as_object.get("failures") or [])
    status = str(getattr(pipeline, "final_status", "")).lower()
    if not failures and ("error" in status or "failure" in status):
        failures = ["the pipeline failed; its message is on standard error"]
    return {
        "failures": failures,
        "warnings": entries(as_object.get("warnings") or []),
        "report": as_object,
    }


def run_pipeline(start: Dict[str, Any], channel: Channel, deliveries: Deliveries) -> None:
    """Runs the recipe, and sends the report of its source."""
    recipe = start["recipe"]
    source_type = recipe["source"]["type"]
    find_source(source_type)
    from datahub.ingestion.run.pipeline import Pipeline

    module = type(sys)(MODULE_NAME)
    module.BridgeSink = sink_class(deliveries)  # type: ignore[attr-defined]
    sys.modules[MODULE_NAME] = module
    recipe["sink"] = {"type": MODULE_NAME + ".BridgeSink", "config": {}}
    preview = start.get("preview_workunits")
    options = {
        "preview_mode": preview is not None,
        "preview_workunits": preview or 10,
        "report_to": None,
        "no_default_report": True,
        "no_progress": True,
    }
    try:
        pipeline = Pipeline.create(recipe, **supported(Pipeline.create, options))
    except Exception as error:
        found = config_errors(error)
        if found and "source" in str(error):
            raise CannotRun("config", str(error), errors=found) from error
        raise CannotRun("setup", str(error)) from error
    keep_failed_records(pipeline, deliveries)
    pipeline.run()
    channel.send({"report": source_report(pipeline)})


def run(start: Dict[str, Any], channel: Channel, deliveries: Deliveries) -> None:
    """Does what the parent asks for, and reports the end or the error."""
    try:
        if start.get("mode") == "describe":
            channel.send({"description": describe(start["recipe"]["source"]["type"])})
        elif start.get("mode") == "connection":
            channel.send({"connection": check_connection(start["recipe"])})
        else:
            run_pipeline(start, channel, deliveries)
    except ParentGone:
        raise
    except CannotRun as error:
        channel.send({"error": {**error.details, "traceback": traceback.format_exc()}})
    except Exception as error:
        message = "{}: {}".format(type(error).__name__, error)
        channel.send({"error": {"code": "failed", "message": message, "traceback": traceback.format_exc()}})
    else:
        channel.send({"end": True})


def main(connection: socket.socket, commands: BinaryIO) -> None:
    """Serves the parent at the other end of ``connection``; ``commands`` reads from it."""
    start = json.loads(commands.readline())["start"]
    parent = start["parent"]
    signal.signal(signal.SIGTERM, on_terminate(parent))
    end_with_parent(parent)
    channel = Channel(connection)
    deliveries = Deliveries(channel, start["window"])

    def listen() -> None:
        try:
            receive(commands, deliveries)
        finally:
            end_process_group()

    threading.Thread(target=listen, name="datahub-emit", daemon=True).start()
    try:
        run(start, channel, deliveries)
    except ParentGone:
        end_process_group()
    except SystemExit:
        end_helpers(parent)
        raise
    # Threads that the source has left behind must not keep the process alive.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
