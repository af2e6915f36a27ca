"""Every set of Collector layers in use is valid, no layer takes anything from another, none loses data."""

from __future__ import annotations

import os
import re
import subprocess
from itertools import chain, combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from voxtrace import semconv
from voxtrace_services.native.backends import FULL, LAYERS
from voxtrace_services.native.builds import COLLECTOR
from voxtrace_services.native.layout import root

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BACKENDS = ("jaeger", "prometheus", "console", "otlp-backend")
#: Any choice of back ends, with and without sampling, and each way in which the layers are run otherwise.
_SETS = [
    *(
        (*counted, *backends)
        for counted in (("red",), ("red", "sampling"))
        for size in range(len(_BACKENDS) + 1)
        for backends in combinations(_BACKENDS, size)
    ),
    FULL,
    ("otlp-backend",),  # beside a service, sending on
    ("red", "jaeger", "prometheus", "security"),  # in Kubernetes
    ("red", "sampling", "jaeger", "prometheus", "security"),
    ("red", "sampling", *_BACKENDS, "security"),
    ("red", "prometheus", "gateway-tier", "security"),  # in front of
    ("sampling", "jaeger", "otlp-backend", "security"),  # those that sample
]
#: What the layers ask of the environment beside what has a default.
_ENVIRONMENT = {
    "VOXTRACE_OTLP_ENDPOINT": "https://backend.example",
    "VOXTRACE_OTLP_HEADERS": '{"authorization": "Bearer known"}',
    "VOXTRACE_INGEST_CERTIFICATE": "/run/secrets/tls.crt",
    "VOXTRACE_INGEST_KEY": "/run/secrets/tls.key",
    "VOXTRACE_INGEST_TOKEN_FILE": "/run/secrets/token",
    **{f"VOXTRACE_SAMPLER_{shard}_ENDPOINT": f"https://sampler-{shard}.example:4318" for shard in range(4)},
}
#: Exporters that hand nothing to anybody else.
_STAYS_HERE = {"nop", "prometheus", *(f"otlp_grpc/{signal}" for signal in ("traces", "metrics", "logs"))}


def _path(layer: str) -> Path:
    return root() / "collector-config" / f"{layer}.yaml"


def _load(layer: str) -> dict[str, Any]:
    found = yaml.safe_load(_path(layer).read_text())
    assert isinstance(found, dict)
    return found


def _ordered(layers: Iterable[str]) -> list[str]:
    return [layer for layer in LAYERS if layer in {"base", *layers, "extras"}]


def _validate(files: Iterable[Path]) -> subprocess.CompletedProcess[str]:
    program = COLLECTOR.find()
    assert program is not None, "python -m voxtrace_services.native build"
    return subprocess.run(
        [program, "validate", *chain.from_iterable(("--config", str(file)) for file in files)],
        capture_output=True,
        check=False,
        env={**os.environ, **_ENVIRONMENT},
        text=True,
    )


def _arrays(node: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _arrays(value, (*where, str(key)))
    elif isinstance(node, list):
        yield where, node


def _taken(layers: list[dict[str, Any]]) -> list[tuple[tuple[str, ...], list[Any]]]:
    """Arrays that a later layer replaces by one that lacks something."""
    named: dict[tuple[str, ...], list[Any]] = {}
    taken = []
    for layer in layers:
        for where, array in _arrays(layer):
            lost = [item for item in named.get(where, []) if item not in array]
            if lost:
                taken.append((where, lost))
            named[where] = array
    return taken


def _pipelines(layer: str) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = _load(layer).get("service", {}).get("pipelines", {})
    return found


def _exporters() -> dict[str, Any]:
    """Every exporter of every layer that hands something to somebody."""
    return {
        name: settings
        for layer in LAYERS
        for name, settings in _load(layer).get("exporters", {}).items()
        if name not in _STAYS_HERE
    }


# The policies of tail_sampling are read at the start alone: tests/integration/collector starts it.
@pytest.mark.parametrize("layers", _SETS, ids="+".join)
def test_each_set_of_layers_is_valid(layers: tuple[str, ...]) -> None:
    """The Collector accepts base, each set of layers in use, and extras."""
    answer = _validate(map(_path, _ordered(layers)))

    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(
    ("layer", "old", "new"),
    [
        ("base", "delete_matching_keys(span.attributes", "forget(span.attributes"),
        ("base", 'set_semconv_span_name("1.40.0"', 'set_semconv_span_name("9.0.0"'),
        ("base", "[A-Z ]*PRIVATE", "[A-Z *PRIVATE"),
        ("gateway-tier", "filter/sampler3:", "filter/sampler4:"),
    ],
)
def test_a_mistake_in_a_layer_is_not_valid(tmp_path: Path, layer: str, old: str, new: str) -> None:
    """The check above reads expressions, patterns and references: a wrong one is refused."""
    text = _path(layer).read_text()
    assert old in text
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace(old, new))
    files = [wrong if name == layer else _path(name) for name in _ordered(["red", layer])]

    assert _validate(files).returncode != 0


def test_every_layer_is_known() -> None:
    """Each file in collector-config is a layer with its place in the order, or lists them for Kubernetes."""
    files = {path.stem for path in _path("base").parent.iterdir()}

    assert files == {*LAYERS, "kustomization"}


def test_no_layer_drops_what_another_names() -> None:
    """Arrays replace, so a layer that names another's array must repeat all of it."""
    assert _taken([_load(layer) for layer in LAYERS]) == []


def test_a_dropped_component_is_noticed() -> None:
    """The check above fails when a layer lists a pipeline's exporters anew without one of them."""
    first = {"service": {"pipelines": {"traces/in": {"exporters": ["span_metrics", "forward/traces"]}}}}
    second = {"service": {"pipelines": {"traces/in": {"exporters": ["forward/traces"]}}}}

    assert _taken([first, second]) == [
        (("service", "pipelines", "traces/in", "exporters"), ["span_metrics"]),
    ]


def test_two_layers_name_the_same_array_only_where_it_is_said() -> None:
    """`service.extensions` is the one array that two layers name, so layers can be combined freely."""
    named = [where for layer in LAYERS for where, _ in _arrays(_load(layer))]

    assert {where for where in named if named.count(where) > 1} == {("service", "extensions")}


def test_what_leaves_is_queued_on_disk_and_never_given_up() -> None:
    """Each exporter has a bounded queue in file_storage, makes its batches from it, and retries for ever."""
    kept = {
        name: (
            settings["sending_queue"]["storage"],
            settings["sending_queue"]["sizer"],
            settings["sending_queue"]["queue_size"],
            settings["retry_on_failure"]["max_elapsed_time"],
        )
        for name, settings in _exporters().items()
    }

    assert set(kept) == {
        "otlp_grpc/jaeger",
        "otlp_http/console",
        "otlp_http/backend",
        *(f"otlp_http/sampler{shard}" for shard in range(4)),
    }
    bound = "${env:VOXTRACE_COLLECTOR_QUEUE_BYTES:-268435456}"
    assert set(kept.values()) == {("file_storage/queue", "bytes", bound, 0)}
    # A gRPC server takes 4 MiB at once unless told otherwise.
    assert all(
        settings["sending_queue"]["batch"]["max_size"] < 4 * 1024**2 for settings in _exporters().values()
    )


def test_the_queue_is_written_through() -> None:
    """What is queued is on the disk before it is acknowledged, and a torn file does not stop the start."""
    storage = _load("base")["extensions"]["file_storage/queue"]

    assert (storage["fsync"], storage["recreate"]) == (True, True)


def test_nothing_is_batched_outside_the_queues() -> None:
    """No layer has a batch processor, from which a killed Collector loses what it had acknowledged."""
    processors = {name for layer in LAYERS for name in _load(layer).get("processors", {})}

    assert {name for name in processors if name.partition("/")[0] in {"batch", "queue_batch"}} == set()


def test_what_comes_in_is_limited_first_then_redacted() -> None:
    """What reads from outside begins with memory_limiter, and nothing but the socket is before redaction."""
    pipelines = {name: body for layer in LAYERS for name, body in _pipelines(layer).items()}
    outside = {name: body for name, body in pipelines.items() if "otlp" in body.get("receivers", ())}

    assert outside == {
        f"{signal}/door": {
            "receivers": ["otlp"],
            "processors": ["memory_limiter"],
            "exporters": [f"otlp_grpc/{signal}"],
        }
        for signal in ("traces", "metrics", "logs")
    }
    inside = {
        name: (body["receivers"], body["processors"])
        for name, body in pipelines.items()
        if any(receiver.startswith("otlp/") for receiver in body.get("receivers", ()))
    }
    first = ["transform/content", "redaction", "transform/names"]
    assert inside == {f"{signal}/in": ([f"otlp/{signal}"], first) for signal in ("traces", "metrics", "logs")}


def test_the_door_acknowledges_what_is_behind_it() -> None:
    """Exporters between the two receivers wait for their answer, hold nothing, and end where those listen."""
    base = _load("base")
    for signal in ("traces", "metrics", "logs"):
        exporter = base["exporters"][f"otlp_grpc/{signal}"]
        listens = base["receivers"][f"otlp/{signal}"]["protocols"]["grpc"]

        assert exporter["sending_queue"]["wait_for_result"]
        assert not exporter["retry_on_failure"]["enabled"]
        assert listens["transport"] == "unix"
        assert exporter["endpoint"].removeprefix("unix-abstract://") == listens["endpoint"].removeprefix("@")


def test_only_sampling_stands_between_what_is_received_and_what_is_kept() -> None:
    """RED reads what was received, back ends what was kept; with sampling, exemplars are of what was kept."""
    base, red, sampling = (_load(layer) for layer in ("base", "red", "sampling"))

    assert _pipelines("base")["traces/kept"] == {
        "receivers": ["forward/received"],
        "exporters": ["forward/traces"],
    }
    assert _pipelines("sampling")["traces/kept"] == {"processors": ["tail_sampling"]}
    assert _pipelines("red")["traces/red"]["receivers"] == ["forward/received"]
    assert _pipelines("sampling")["traces/sampled"]["receivers"] == ["forward/traces"]
    assert red["connectors"]["span_metrics"]["exemplars"]["enabled"]
    assert not sampling["connectors"]["span_metrics"]["exemplars"]["enabled"]
    assert "span_metrics" not in base["connectors"]
    settings = ("histogram", "resource_metrics_key_attributes", "metrics_flush_interval")
    both = red["connectors"]["span_metrics"], sampling["connectors"]["span_metrics/sampled"]
    assert [[one[name] for name in settings] for one in both[:1]] == [
        [one[name] for name in settings] for one in both[1:]
    ]


def test_no_name_of_ours_looks_like_a_secret() -> None:
    """The keys whose values are masked are none that Voxtrace emits, and are those that hold secrets."""
    patterns = [
        re.compile(text.replace("$$", "$"))
        for text in _load("base")["processors"]["redaction"]["blocked_key_patterns"]
    ]
    ours = {value for value in vars(semconv).values() if isinstance(value, str)}

    def masked(names: Iterable[str]) -> set[str]:
        return {name for name in names if any(pattern.search(name) for pattern in patterns)}

    secret = {
        "password",
        "db.password",
        "API_KEY",
        "aws.secret-access-key",
        "http.request.header.authorization",
        "http.request.header.cookie",
        "session.token",
        "client_secret",
    }
    assert masked(ours) == set()
    assert masked(["gen_ai.usage.input_tokens", "speech.asr.token.count", "messaging.message.id"]) == set()
    assert masked(secret) == secret


@pytest.mark.parametrize("layer", LAYERS)
def test_every_variable_is_explained(layer: str) -> None:
    """The header of a layer, or of base or red, says what each variable is for that is not a port."""
    body = "\n".join(
        line for line in _path(layer).read_text().splitlines() if not line.lstrip().startswith("#")
    )
    header = "\n".join(
        line
        for name in ("base", "red", layer)
        for line in _path(name).read_text().splitlines()
        if line.startswith("#")
    )
    # VOXTRACE_A_{B,C}_D stands for one each.
    explained = set(re.findall(r"VOXTRACE_\w+", header)) | {
        f"{before}{shard}{after}"
        for before, after in re.findall(r"(VOXTRACE_\w+)\{0\.\.3\}(\w+)", header)
        for shard in range(4)
    }
    named = set(re.findall(r"\$\{env:(VOXTRACE_\w+)", body))

    assert {name for name in named if not name.endswith("_PORT")} - explained == set()
