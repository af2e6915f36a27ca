"""The metrics of home-made monitors, recorded from ours."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import registry
import yaml

from voxtrace_services.native.layout import root

if TYPE_CHECKING:
    from pathlib import Path

RULES = root() / "deploy" / "prometheus" / "rules" / "compat.yaml"
TESTS = root() / "tests" / "rules" / "compat.test.yaml"
PAGE = root() / "docs" / "migration.md"

#: What the monitors measured that people come from; a histogram stands for its three series.
FORMER = [
    "audio_uploads_total", "asr_requests_total", "translation_requests_total", "errors_total",
    "audio_upload_duration_seconds", "asr_processing_duration_seconds", "translation_duration_seconds",
    "end_to_end_duration_seconds", "memory_usage_bytes", "cpu_usage_percent", "rabbitmq_queue_size",
    "audio_processing_tasks", "cache_hit_ratio", "whisper_transcription_requests_total",
    "whisper_transcription_errors_total", "whisper_transcription_duration_seconds",
    "whisper_inference_duration_seconds", "whisper_audio_load_duration_seconds",
    "whisper_processing_duration_seconds", "whisper_decode_duration_seconds", "whisper_model_loaded",
    "gateway_requests_total", "gateway_processing_seconds", "gateway_errors_total",
    "asr_processing_seconds", "asr_errors_total", "translation_processing_seconds",
    "translation_errors_total", "synthesis_requests_total", "synthesis_processing_seconds",
    "synthesis_errors_total", "pipeline_audio_processing_seconds", "pipeline_system_cpu_percent",
    "jobs_completed_total", "active_jobs", "tts_requests_total", "tts_request_duration_seconds",
    "tts_errors_total", "tts_word_count_duration_seconds", "tts_character_count_duration_seconds",
    "tts_active_voices", "tts_system_memory_usage_bytes", "tts_system_cpu_usage_percent",
    "tts_model_load_time_seconds",
]  # fmt: skip

#: The broker's own, and no schema of ours.
BROKER = "rabbitmq_detailed_"
SUFFIXES = ("_bucket", "_sum", "_count")


def rules() -> dict[str, str]:
    """The expression of each recorded metric."""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return {rule["record"]: rule["expr"] for group in document["groups"] for rule in group["rules"]}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Prometheus' tool."""
    program = shutil.which("promtool")
    assert program is not None, "apt-get install prometheus"
    return subprocess.run([program, *map(str, arguments)], check=False, capture_output=True, text=True)


def exported() -> dict[str, set[str]]:
    """The labels of each series that the schema makes."""
    return {
        series: labels | {"job", "instance"}
        for metric in registry.load().metrics
        for series, labels in metric.series.items()
    }


def test_promtool_finds_nothing_to_say() -> None:
    """The rules are valid, and pass every lint."""
    answer = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_recorded_metrics_say_what_ours_do() -> None:
    """On known numbers each metric has the values that compat.test.yaml works out."""
    answer = promtool("test", "rules", TESTS)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_wrong_number_would_be_noticed(tmp_path: Path) -> None:
    """Promtool fails where one sample is not as it is written."""
    document: dict[str, Any] = yaml.safe_load(TESTS.read_text(encoding="utf-8"))
    document["rule_files"] = [str(RULES)]
    document["tests"][0]["promql_expr_test"][0]["exp_samples"][0]["value"] += 1
    wrong = tmp_path / "wrong.test.yaml"
    wrong.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert promtool("test", "rules", wrong).returncode != 0


def test_every_former_metric_is_recorded() -> None:
    """Each metric of the monitors is there under its own name, a histogram with its three series."""
    recorded = rules().keys()
    missing = [
        name
        for name in FORMER
        if name not in recorded and not all(name + suffix in recorded for suffix in SUFFIXES)
    ]
    assert missing == []


def test_every_rule_is_tested() -> None:
    """Each recorded metric has a test with at least one sample."""
    (test,) = yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]
    assert {case["expr"] for case in test["promql_expr_test"] if case["exp_samples"]} == rules().keys()


def test_the_rules_read_what_is_emitted() -> None:
    """Each series in an expression is one that the schema makes, and has the labels that are asked for."""
    known = exported()
    unknown = {
        f"{record}: {series}{{{label}}}"
        for record, expression in rules().items()
        for series, selector in re.findall(r"\b([a-z_]+_[a-z_]+)\b(?=[{)\s]|$)(\{[^}]*\})?", expression)
        if series.startswith(("speech_", "gen_ai_client", "messaging_process", "http_server", "process_"))
        and series not in _labels()
        for label in ["", *re.findall(r'(\w+)(?:=|!)~?"', selector)]
        if series not in known or (label and label not in known[series])
    }
    assert unknown == set()
    named = set(re.findall(r"\brabbitmq\w+", " ".join(rules().values())))
    assert all(name.startswith(BROKER) for name in named)


def test_the_page_maps_every_metric() -> None:
    """docs/migration.md names each former metric, and nothing that is not recorded."""
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)(?:\{[^}]*\})?` \|", page, flags=re.MULTILINE)
    assert sorted(rows) == sorted(FORMER)


def _labels() -> set[str]:
    """What looks like a series in an expression and is a label."""
    return {one.replace(".", "_") for one in registry.load().attributes}
