"""The private broker starts, keeps its messages and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pika
import psutil

from integration.native.waiting import eventually
from voxtrace_services.native import Ports, RabbitMQ
from voxtrace_services.native.ports import require_free

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _listeners(processes: list[psutil.Process]) -> set[str]:
    found = set()
    for process in processes:
        for connection in process.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                found.add(connection.laddr.ip)
    return found


def test_stop_leaves_no_process(private_rabbitmq: Callable[[], RabbitMQ]) -> None:
    """Neither the broker, nor its helpers, nor its port mapper runs after stop."""
    broker = private_rabbitmq()
    assert broker.pid is not None
    assert broker.epmd.pid is not None
    family = [*_family(broker.pid), *_family(broker.epmd.pid)]

    broker.stop()

    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_only_loopback_is_listened_on(rabbitmq: RabbitMQ) -> None:
    """No listener of the broker or its port mapper can be reached from outside."""
    assert rabbitmq.pid is not None
    assert rabbitmq.epmd.pid is not None

    assert _listeners([*_family(rabbitmq.pid), *_family(rabbitmq.epmd.pid)]) <= {"127.0.0.1", "::1"}


def test_messages_survive_a_restart(private_rabbitmq: Callable[[], RabbitMQ]) -> None:
    """A persistent message is still there after stop and start."""
    broker = private_rabbitmq()
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("kept", durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", "kept", b"body", pika.BasicProperties(delivery_mode=2))

    broker.stop()
    broker.start()

    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        _, _, body = connection.channel().basic_get("kept", auto_ack=True)
    assert body == b"body"


def test_its_metrics_are_served(rabbitmq: RabbitMQ) -> None:
    """The Prometheus plugin answers with the queues' families that the scrape asks for."""
    text = httpx.get(
        f"{rabbitmq.metrics_url}/metrics/detailed",
        params={"family": ["queue_coarse_metrics", "queue_consumer_count"]},
        trust_env=False,
    ).text

    assert "rabbitmq_detailed_queue_messages_ready" in text


def test_control_reaches_this_broker(rabbitmq: RabbitMQ) -> None:
    """`rabbitmqctl` works with the private cookie and port mapper."""
    assert "/" in rabbitmq.control("list_vhosts").splitlines()


def test_no_other_port_mapper_is_started(tmp_path: Path) -> None:
    """A broker that loses its port mapper while it boots gives up; it starts no daemon instead."""
    ports = Ports.free()
    broker = RabbitMQ(tmp_path, ports=ports)
    broker.prepare()
    broker.epmd.start()
    broker.server.spawn()
    broker.epmd.kill()

    def condition() -> None:
        assert not broker.server.running

    try:
        eventually(condition)
    finally:
        broker.stop()
    require_free("epmd", [("epmd", ports.epmd)])


def test_a_killed_owner_takes_its_broker_along(tmp_path: Path) -> None:
    """SIGKILL to the process that started a broker ends the broker too."""
    script = (
        "import sys, time, pathlib\n"
        "from voxtrace_services.native import Ports, RabbitMQ\n"
        "broker = RabbitMQ(pathlib.Path(sys.argv[1]), ports=Ports.free())\n"
        "broker.start()\n"
        "print(broker.pid, broker.epmd.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        family = [process for pid in pids for process in _family(pid)]

        os.kill(owner.pid, signal.SIGKILL)

    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
