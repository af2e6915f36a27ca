"""The drills: which fault brings about which alert, and which of them go side by side."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pika
import psutil

from e2e.drills.drill import Drill, Watch, drill, expected
from e2e.drills.field import Field
from voxtrace_services.core.topology import EXCHANGE, SYNTHESIZE, TRANSCRIBE, TRANSLATE
from voxtrace_services.native.process import Process

_QUEUE = 'rabbitmq_detailed_queue_messages{{queue="{}"}}'


@drill(
    expected("SloBudgetBurnsFast", slo="upload-availability", budget=True),
    # Held back while the fast one fires; it looks back on six hours.
    expected("SloBudgetBurnsSlowly", slo="upload-availability", budget=True),
    long=True,
)
def budget(field: Field, watch: Watch) -> None:
    """`full-disk` at the gateway: uploads are refused with 503."""
    with field.fault("full-disk", service="gateway"):
        field.uploads(30)
        watch.fires("SloBudgetBurnsFast")
    watch.fires("SloBudgetBurnsSlowly")


@drill(expected("MemoryNearLimit", service="synthesis"), expected("MemoryOver8GB", service="synthesis"))
def memory(field: Field, watch: Watch) -> None:
    """`memory-leak` in the synthesis, to 95 % of what it may use."""
    limit = int(
        float(field.query('max(voxtrace_process_memory_limit_bytes{job="synthesis"})')[0]["value"][1])
    )
    megabytes = max(int(0.95 * limit), 9 * 10**9) // 2**20
    with field.fault("memory-leak", service="synthesis", megabytes=megabytes // 3, limit_megabytes=megabytes):
        watch.fires("MemoryNearLimit")
        watch.fires("MemoryOver8GB")


@drill(expected("ModelLoadFailing", service="asr"))
def model(field: Field, watch: Watch) -> None:
    """A second asr is started with a damaged model."""
    damaged = field.stack.data_dir / "damaged"
    damaged.mkdir()
    (damaged / "model.bin").write_bytes(bytes(4096))
    command = field.stack.process("asr").command
    second = replace(
        command,
        ports={},
        environment={**command.environment, "VOXTRACE_ASR_MODEL": str(damaged), "VOXTRACE_HEALTH_PORT": "0"},
    )
    process = Process(second, log=field.stack.logs / "damaged-asr.log")
    process.spawn()
    try:
        watch.fires("ModelLoadFailing")
    finally:
        process.stop()


@drill(expected("TelemetryLostInCollector"), expected("TelemetryQueueFilling"))
def backend(field: Field, watch: Watch) -> None:
    """The user's own OTLP back end refuses everything, then is away until its queue is nearly full."""
    field.backend.status = 400
    try:
        watch.fires("TelemetryLostInCollector")
        field.backend.status = 503
        watch.fires("TelemetryQueueFilling")
    finally:
        field.backend.status = 200


@drill(expected("RealTimeFactorHigh", service="asr"), expected("QueueGrowing", queue=TRANSCRIBE))
def slow(field: Field, watch: Watch) -> None:
    """`slow-engine` in the asr, slower than the recordings last and than they arrive."""
    with field.fault("slow-engine", service="asr", seconds=1.5), field.traffic(0.4, most=60):
        watch.fires("RealTimeFactorHigh")
        watch.fires("QueueGrowing")


@drill(expected("StageDurationHigh", stage="upload"))
def late(field: Field, watch: Watch) -> None:
    """`slow-disk` at the gateway, for some uploads."""
    # More than some would wait for each other: a job's row is locked until its recording is stored.
    with field.fault("slow-disk", service="gateway", seconds=1.5, share=0.3), field.traffic(0.6):
        watch.fires("StageDurationHigh")


@drill(expected("TranslationCacheCold"), expected("CostBurning"))
def cold(field: Field, watch: Watch) -> None:
    """`cold-cache`: the same words are translated again and again, at a price each time."""
    # Cold is who was warm before.
    field.uploads(30)
    assert field.until("cache:hit_ratio:increase6h > 0.6")
    with field.fault("cold-cache"), field.traffic(1.2):
        watch.fires("TranslationCacheCold")
        watch.fires("CostBurning")


@drill(expected("StageErrorRateHigh", stage="synthesis"), expected("DeadLetters"))
def failing(field: Field, watch: Watch) -> None:
    """`failing-engine` in the synthesis: retries fail too, and the messages are given up."""
    with field.fault("failing-engine", service="synthesis"), field.traffic(2.0):
        watch.fires("StageErrorRateHigh")
        watch.fires("DeadLetters")


@drill(expected("QualityFlagsRising", speech_quality_flag_name="clipping"))
def overdriven(field: Field, watch: Watch) -> None:
    """Recordings from a microphone that is turned up too far."""
    with field.traffic(0.5, field.overdriven):
        watch.fires("QualityFlagsRising")


@drill(expected("RedeliveryStorm"))
def returned(field: Field, watch: Watch) -> None:
    """`requeue` in the translation: each message comes back until it is given up."""
    with field.fault("requeue", service="translation"), field.traffic(2.0):
        watch.fires("RedeliveryStorm")


@drill(
    expected("QueueWithoutConsumers", queue=SYNTHESIZE),
    expected("JobOver30Minutes"),
    expected("QueueWaitHigh", queue=SYNTHESIZE, fire=120),
    long=True,
)
def stopped(field: Field, watch: Watch) -> None:
    """`stopped-consumer` in the synthesis: messages wait for a minute and more, and then are taken."""
    with field.fault("stopped-consumer", service="synthesis"):
        field.uploads(24)
        assert field.until(f"{_QUEUE.format(SYNTHESIZE)} >= 24")
        full = time.monotonic()
        watch.fires("QueueWithoutConsumers")
        watch.fires("JobOver30Minutes")
        # The bound of a wait is of a user's patience, in real seconds: no setting shortens it.
        time.sleep(max(0.0, full + 62 - time.monotonic()))
    watch.fires("QueueWaitHigh")


@drill(expected("JobStuck", reason="unsent"), expected("JobStuck", reason="held", service="asr"))
def stuck(field: Field, watch: Watch) -> None:
    """The queue `transcribe` is unbound, so the gateway cannot send; then `slow-engine` holds one job."""
    assert field.until(f"{_QUEUE.format(SYNTHESIZE)} >= 24")
    with closing(pika.BlockingConnection(pika.URLParameters(field.stack.rabbitmq.url))) as connection:
        channel = connection.channel()
        channel.queue_unbind(TRANSCRIBE, EXCHANGE, TRANSCRIBE)
        try:
            field.upload()
            watch.fires("JobStuck/unsent")
        finally:
            channel.queue_bind(TRANSCRIBE, EXCHANGE, TRANSCRIBE)
    with field.fault("slow-engine", service="asr", seconds=30):
        field.upload()
        watch.fires("JobStuck/held")


@drill(expected("JobStuck", reason="lost"))
def lost(field: Field, watch: Watch) -> None:
    """A message is taken from its queue and thrown away, behind the services' back."""
    assert field.until('sum(speech_jobs{speech_job_state="running"}) == 0', seconds=180)
    with closing(pika.BlockingConnection(pika.URLParameters(field.stack.rabbitmq.url))) as connection:
        channel = connection.channel()
        with field.fault("stopped-consumer", service="translation"):
            assert field.until('rabbitmq_detailed_queue_consumers{queue="translate"} == 0')
            field.upload()
            taken = _take(channel)
        watch.fires("JobStuck/lost")
        properties, body = taken
        channel.basic_publish(EXCHANGE, TRANSLATE, body, properties)


@drill(expected("WorkerGone", service="synthesis"))
def gone(field: Field, watch: Watch) -> None:
    """The synthesis is killed."""
    field.stack.kill("synthesis", 9)
    try:
        watch.fires("WorkerGone")
    finally:
        field.stack.restart("synthesis")


@drill(expected("CpuHigh", service="gateway"))
def busy(field: Field, watch: Watch) -> None:
    """`busy-cpu` at the gateway, which may use one processor."""
    pid = field.stack.process("gateway").pid
    threads = [psutil.Process(one.id) for one in psutil.Process(pid).threads()]
    before = {one.pid: one.cpu_affinity() for one in threads}
    for one in threads:
        one.cpu_affinity(before[one.pid][:1])
    _precedence(pid, -20)
    try:
        with field.fault("busy-cpu", service="gateway"):
            watch.fires("CpuHigh")
    finally:
        _precedence(pid, 0)
        for one in threads:
            if one.is_running():
                one.cpu_affinity(before[one.pid])


@drill(expected("BrokerDown"))
def broker(field: Field, watch: Watch) -> None:
    """RabbitMQ is stopped."""
    field.stack.rabbitmq.server.stop()
    try:
        watch.fires("BrokerDown")
    finally:
        field.stack.rabbitmq.server.start()


@drill(expected("CollectorDown"), expected("TelemetryLostInSdk"))
def collector(field: Field, watch: Watch) -> None:
    """The Collector is killed while uploads go on; what the services cannot send they lose."""
    field.stack.kill("collector", 9)
    try:
        with field.traffic(1.0):
            watch.fires("CollectorDown")
            for _ in range(10):
                httpx.get(f"{field.stack.gateway_url}/v1/uploads", timeout=30, trust_env=False)
                time.sleep(1)
    finally:
        field.stack.restart("collector")
    watch.fires("TelemetryLostInSdk")


def _precedence(pid: int | None, nice: int) -> None:
    """Let a process go first, where we may: it would not get its processor on a busy machine."""
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")


def _take(channel: pika.adapters.blocking_connection.BlockingChannel) -> tuple[pika.BasicProperties, bytes]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        method, properties, body = channel.basic_get(TRANSLATE, auto_ack=True)
        if method is not None:
            return properties, body
        time.sleep(0.1)
    raise AssertionError(f"no message came to {TRANSLATE} within 60 s")


#: Side by side goes what does not disturb each other, and is not held back by another's alert.
ACTS: tuple[tuple[Drill, ...], ...] = (
    (budget, memory, model, backend, returned),
    (slow, failing),
    (stopped, cold, overdriven),
    (stuck,),
    (lost,),
    (gone, busy),
    (late,),
    (broker,),
    (collector,),
)
DRILLS: tuple[Drill, ...] = tuple(one for act in ACTS for one in act)
