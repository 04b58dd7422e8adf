"""`aix-lsp cluster` from start to end: Ray and Serve on this machine, the applications, and the status shown to the
user.

Each failure is one line in the log. Ray sends nothing home: its usage statistics are switched off.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace as with_options

from aix_lsp.engine.http.listener import CannotListen, open_socket
from aix_lsp.engine.options import EngineOptions, Listen
from aix_lsp.serve.worker import ServeError, ServeOptions, check

if TYPE_CHECKING:
    from aix_lsp.cluster.app import Scaling

log = logging.getLogger(__name__)

_OBJECT_STORE = 80 << 20
"""Bytes of shared memory that Ray keeps for objects: the least it accepts. Requests do not go through it."""
_CHECK_EVERY_S = 1.0
_MAIN = "default"
_BALANCE = """hdr(x-session-id)
    hash-type consistent sdbm avalanche
    hash-balance-factor 300"""
"""Lines of HAProxy's configuration: consistent hashing with bounded load, no server above three times its share. Unlike
routing.py, it cannot exempt small numbers: with 1.5 times, the second request in flight would already move."""
_OUR_ERRORS = re.compile(r"\b(?:\w+\.)*(?:ModelError|ServeError|UsersError|UsageError): ([^\n\\]+)")
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the future default; without it, Ray warns
    # How often the requests in flight are reported to the autoscaler; Ray's 10 s are right for jobs, not for typing.
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
}


def prepare(haproxy: bool = False) -> str:
    """Set the environment variables that Ray reads when it is imported, for this process and all that it starts.

    Returns a private folder for everything they write, which is removed when this process exits. With `haproxy`, Ray
    runs HAProxy, which routes nearly as routing.py does, instead of its own proxy.
    """
    folder = tempfile.mkdtemp(prefix="aix-ray-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", secrets.token_hex(32)
    # Set either way: if the environment asked for HAProxy, its control socket would be open to all users.
    os.environ["RAY_SERVE_ENABLE_HA_PROXY"] = "1" if haproxy else "0"
    if haproxy:
        os.environ.update(_haproxy(folder))
    return folder


def _haproxy(folder: str) -> dict[str, str]:
    """HAProxy's variables: its files in `folder` (by default, its control socket in /tmp is open to all users), free
    ports, and routing by document with bounded load.
    """
    paths = {"SOCKET_PATH": "s", "METRICS_SOCKET_PATH": "m", "SERVER_STATE_FILE": "state"}
    found = {name: str(Path(folder, file)) for name, file in paths.items()}
    found |= {"SERVER_STATE_BASE": folder, "CONFIG_FILE_LOC": str(Path(folder, "haproxy.cfg"))}
    for port in ("METRICS_PORT", "STATS_PORT"):
        with socket.create_server(("", 0)) as free:
            found[port] = str(free.getsockname()[1])
    found["BALANCE_ALGORITHM"] = _BALANCE
    return {f"RAY_SERVE_HAPROXY_{name}": value for name, value in found.items()}


def run(
    options: ServeOptions, engine: EngineOptions, also: Mapping[str, str], scaling: Scaling, folder: str
) -> int:
    """Serve until told to stop; returns the exit status. `also` are further models by name; `folder` is the result of
    `prepare`.
    """
    try:
        check(options)
        options, url = _free(options)
    except (ServeError, CannotListen) as error:
        log.error("%s", error)
        return 1
    return Cluster(options, engine, also, scaling).run(url, folder)


def _free(options: ServeOptions) -> tuple[ServeOptions, str]:
    """The options with a port that is free, and the URL. Raises CannotListen."""
    listener, url = open_socket(Listen(host=options.host, port=options.port), owned=False)
    with listener:
        port = listener.getsockname()[1]
    if options.tls_certificate:
        url = url.replace("http:", "https:", 1)
    return with_options(options, port=port), url


class Cluster:
    """Ray on this machine, with the applications."""

    def __init__(
        self,
        options: ServeOptions,
        engine: EngineOptions,
        also: Mapping[str, str],
        scaling: Scaling,
    ) -> None:
        self._options = options
        self._models = {_MAIN: engine, **{name: replace(engine, model=model) for name, model in also.items()}}
        self._scaling = scaling
        self._generation = 0
        self._seen: dict[str, Any] = {}

    def run(self, url: str, folder: str) -> int:
        """Start everything, announce that it serves, and follow it until told to stop."""
        import ray
        from ray import serve
        from ray.exceptions import RayError

        try:
            self._start(folder)
            stop, reload = threading.Event(), threading.Event()
            # Not earlier: Ray installs its own handlers, which abort.
            with _signals({signal.SIGTERM: stop.set, signal.SIGINT: stop.set, signal.SIGHUP: reload.set}):
                if not self._deploy():
                    return 1
                self._announce(url)
                self._serve(stop, reload)
                log.info("leaving")
                for name in self._models:
                    serve.delete(name)
                serve.shutdown()
            return 0
        except (RayError, OSError, RuntimeError, ValueError) as error:
            log.error("Ray: %s", _last_line(str(error)))
            return 1
        finally:
            ray.shutdown()

    def _serve(self, stop: threading.Event, reload: threading.Event) -> None:
        """Follow what happens until told to stop."""
        while not stop.wait(_CHECK_EVERY_S):
            if reload.is_set():
                reload.clear()
                self._generation += 1
                log.info("replicas are replaced one by one")
                self._deploy()
            self._follow()

    def _start(self, folder: str) -> None:
        import ray
        from ray import serve

        options = self._options
        # These are counted, not reserved: Ray places replicas by these numbers, and this machine may have fewer CPUs.
        cpus = len(self._models) * self._scaling.most * self._cpus + 1
        ray.init(
            address="local",
            num_cpus=cpus,
            object_store_memory=_OBJECT_STORE,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=options.verbose,
            _temp_dir=str(Path(folder, "ray")),  # which Ray opens to all users
            # Whoever reaches Ray's ports can run code: only this user may, and not from other machines.
            _node_ip_address="127.0.0.1",
        )
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        serve.start(
            proxy_location="HeadOnly",
            http_options={
                "host": options.host,
                "port": options.port,
                "ssl_certfile": options.tls_certificate or None,
                "ssl_keyfile": options.tls_key or None,
            },
            logging_config={"log_level": "WARNING", "enable_access_log": False},
        )

    @property
    def _cpus(self) -> int:
        return max(1, self._models[_MAIN].threads)

    def _deploy(self) -> bool:
        """Deploy all applications, and wait until they run. Failures are logged."""
        from ray import serve

        from aix_lsp.cluster.app import Arguments, application

        for name, engine in self._models.items():
            arguments = Arguments(self._options, scaling=self._scaling, cpus=self._cpus)
            target = application(arguments, asdict(engine), self._generation)
            try:
                serve.run(target, name=name, route_prefix="/" if name == _MAIN else f"/{name}")
            except RuntimeError as error:
                log.error("%s", _error_message(serve.status(), str(error)))
                return False
        return True

    def _announce(self, url: str) -> None:
        line = {"ready": True, "url": url, "model": self._models[_MAIN].model, "pid": os.getpid()}
        sys.stdout.write(json.dumps(line | {"replicas": self._scaling.least}) + "\n")
        sys.stdout.flush()

    def _follow(self) -> None:
        """Log what has changed since the last call: the replicas' states, and the nodes of the cluster."""
        import ray
        from ray import serve

        now: dict[str, Any] = {"nodes": sum(node["Alive"] for node in ray.nodes())}
        for name, application in serve.status().applications.items():
            for deployment in application.deployments.values():
                now[name] = dict(sorted(deployment.replica_states.items()))
        before, self._seen = self._seen or now, now
        if now["nodes"] < before["nodes"]:
            log.warning("a node has left; its replicas are started on others if they have room")
        for name in self._models:
            if now.get(name) != before.get(name):
                states = ", ".join(f"{count} {state}" for state, count in now.get(name, {}).items())
                log.info("replicas of %s: %s", name, states.lower() or "none")


@contextlib.contextmanager
def _signals(handlers: Mapping[int, Callable[[], None]]) -> Any:
    before = {number: signal.signal(number, lambda *_, act=act: act()) for number, act in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _error_message(status: Any, otherwise: str) -> str:
    """The message of a replica that could not start, extracted from Ray's longer one; or `otherwise`."""
    messages = [otherwise]
    for application in status.applications.values():
        messages += [application.message, *(found.message for found in application.deployments.values())]
    for message in messages:
        if found := _OUR_ERRORS.findall(message):
            return str(found[-1])
    return f"Ray: {_last_line(otherwise)}"


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "ended")
