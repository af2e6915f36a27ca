"""A private RabbitMQ with its own port mapper, data and cookie, apart from any system service."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from voxtrace_services.native import readiness
from voxtrace_services.native.errors import MissingPartError, NativeError
from voxtrace_services.native.layout import root
from voxtrace_services.native.ports import LOOPBACK
from voxtrace_services.native.process import Command, Process

if TYPE_CHECKING:
    from voxtrace_services.native.ports import Ports

# Debian's /usr/sbin wrappers only serve the system's own broker, as its own user.
_DEBIAN = Path("/usr/lib/rabbitmq/bin")

_NODE = "voxtrace@localhost"
# For every Erlang machine that the broker and its tools start, helpers included:
# no dist listener beyond loopback, and no port mapper but the one we supervise
# (one that Erlang starts by itself is a daemon, which would outlive us).
_ERLANG_FLAGS = "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
_CONTROL_SECONDS = 60


def find(program: str = "rabbitmq-server") -> Path | None:
    """The RabbitMQ program of that name, in a form that any user can run."""
    if (debian := _DEBIAN / program).exists():
        return debian
    found = shutil.which(program)
    return Path(found) if found else None


class RabbitMQ:
    """
    A broker on our ports; it keeps its messages over `stop()` and `start()`.

    Attributes:
        url: the AMQP address.
        metrics_url: the base address of its Prometheus plugin.
    """

    def __init__(self, data_dir: Path, *, ports: Ports, logs: Path | None = None) -> None:
        self._data = data_dir.resolve()
        self._ports = ports
        self.url = f"amqp://guest:guest@{LOOPBACK}:{ports.amqp}/%2F"
        self.metrics_url = f"http://{LOOPBACK}:{ports.amqp_metrics}"
        logs = logs or self._data
        self.epmd = Process(self._epmd_command(), log=logs / "epmd.log")
        self.server = Process(self._server_command(), log=logs / "rabbitmq.log")

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self.server.pid

    def start(self) -> None:
        """Start the port mapper and the broker, and wait until it takes connections."""
        self.prepare()
        self.epmd.start()
        try:
            self.server.start()
        except BaseException:
            self.epmd.stop()
            raise

    def stop(self) -> None:
        """Stop both in good order."""
        try:
            self.server.stop()
        finally:
            self.epmd.stop()

    def kill(self) -> None:
        """SIGKILL the broker, as a crash of its machine would."""
        self.server.kill()

    def control(self, *arguments: str) -> str:
        """
        Run `rabbitmqctl` against this broker.

        Returns:
            What it printed.

        Raises:
            NativeError: when it refuses, with its words.
        """
        answer = subprocess.run(
            [str(_program("rabbitmqctl")), "--quiet", "--node", _NODE, *arguments],
            capture_output=True,
            check=False,
            env={**os.environ, **self._environment()},
            text=True,
            timeout=_CONTROL_SECONDS,
        )
        if answer.returncode != 0:
            raise NativeError(f"rabbitmqctl {' '.join(arguments)} failed: {answer.stderr or answer.stdout}")
        return answer.stdout

    def prepare(self) -> None:
        """Write the configuration and the cookie that both processes read."""
        shared = root() / "deploy" / "rabbitmq"
        self._data.mkdir(parents=True, exist_ok=True)
        cookie = self._data / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(secrets.token_hex(16))
            cookie.chmod(0o400)
        (self._data / "rabbitmq.conf").write_text(
            (shared / "rabbitmq.conf").read_text()
            + f"\nlisteners.tcp.1 = {LOOPBACK}:{self._ports.amqp}\n"
            + f"prometheus.tcp.ip = {LOOPBACK}\nprometheus.tcp.port = {self._ports.amqp_metrics}\n"
        )
        shutil.copyfile(shared / "enabled_plugins", self._data / "enabled_plugins")

    def _epmd_command(self) -> Command:
        return Command(
            name="epmd",
            argv=("epmd", "-port", str(self._ports.epmd), "-address", LOOPBACK),
            ports={"epmd": self._ports.epmd},
            ready=readiness.tcp(self._ports.epmd),
            without=("ERL_EPMD_",),
            start_seconds=10,
            grace_seconds=5,
        )

    def _server_command(self) -> Command:
        return Command(
            name="rabbitmq",
            argv=(str(find() or "rabbitmq-server"),),
            ports={
                "amqp": self._ports.amqp,
                "amqp_dist": self._ports.amqp_dist,
                "amqp_metrics": self._ports.amqp_metrics,
            },
            ready=readiness.amqp(self.url),
            environment=self._environment(),
            without=("RABBITMQ_", "ERL_", "NOTIFY_SOCKET"),
            start_seconds=90,
            grace_seconds=30,
        )

    def _environment(self) -> dict[str, str]:
        data = str(self._data)
        return {
            "HOME": data,  # where Erlang looks for its cookie
            "ERL_AFLAGS": _ERLANG_FLAGS,
            "ERL_CRASH_DUMP": f"{data}/erl_crash.dump",
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._ports.epmd),
            "RABBITMQ_CONF_ENV_FILE": f"{data}/none",  # never /etc/rabbitmq's
            "RABBITMQ_CONFIG_FILE": f"{data}/rabbitmq.conf",
            "RABBITMQ_DIST_PORT": str(self._ports.amqp_dist),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{data}/enabled_plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{data}/config",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_LOG_BASE": f"{data}/log",
            "RABBITMQ_MNESIA_BASE": f"{data}/mnesia",
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_PID_FILE": f"{data}/rabbitmq.pid",
            "RABBITMQ_SCHEMA_DIR": f"{data}/schema",
            # The start script then becomes the broker instead of waiting beside
            # it, so that our pid is the broker's: a signal reaches it, and it
            # cannot survive as an orphan of a killed shell.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


def _program(name: str) -> Path:
    if (found := find(name)) is None:
        raise MissingPartError(f"{name} is not installed: apt-get install rabbitmq-server")
    return found
