"""Rules that run faster than written."""

from __future__ import annotations

from typing import Any

import pytest

from voxtrace_services.native import NativeError
from voxtrace_services.native.pace import PATIENCE, VARIABLE, Pace


@pytest.mark.parametrize(
    ("written", "scale", "faster"),
    [
        ("5m", 1, "300s"),
        ("5m", 20, "15s"),
        ("1h30m", 60, "90s"),
        ("1d", 7, "12343s"),
        ("1w2d", 86400, "9s"),
        ("1y", 86400, "365s"),
        ("100ms", 1, "1s"),
        ("1m", 1000, "1s"),
        ("0s", 20, "1s"),
    ],
)
def test_a_duration_is_divided_and_rounded_up(written: str, scale: float, faster: str) -> None:
    """All of Prometheus' units are known; what comes out is in whole seconds, and never none."""
    assert Pace(scale).duration(written) == faster


@pytest.mark.parametrize("text", ["", "m", "5", "5 m", "5m1h", "1h-5m", "-5m", "5mm", "1.5h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The error quotes it and says how to write one."""
    with pytest.raises(NativeError, match="is no duration: write it as Prometheus does, such as 1h30m"):
        Pace(2).duration(text)


@pytest.mark.parametrize(
    ("written", "faster"),
    [
        ("rate(a[5m])", "rate(a[30s])"),
        ("rate(a:rate5m[ 5m ])", "rate(a:rate5m[30s])"),
        ("a - (a offset 10m)", "a - (a offset 60s)"),
        ("a offset -10m", "a offset -60s"),
        ("max_over_time(rate(a[5m])[1h:1m])", "max_over_time(rate(a[30s])[360s:6s])"),
        ("max_over_time(a[1h:])", "max_over_time(a[360s:])"),
        ('a{b=~"[45]m", c="[5m] offset 1h"}[1h]', 'a{b=~"[45]m", c="[5m] offset 1h"}[360s]'),
        (r'a{b="\"[5m]"}', r'a{b="\"[5m]"}'),
        ("a{b='[5m]'} + `[5m]`", "a{b='[5m]'} + `[5m]`"),
        ("a # [5m]\n[1h]", "a # [5m]\n[360s]"),
        ("offset_5m + vector(300)", "offset_5m + vector(300)"),
    ],
)
def test_ranges_and_offsets_are_divided_and_nothing_else(written: str, faster: str) -> None:
    """Names, numbers, and what is quoted or commented stay."""
    assert Pace(10).expression(written) == faster


def test_a_window_has_room_for_its_samples() -> None:
    """No range becomes shorter than four scrapes, and no step shorter than one; an offset may."""
    pace = Pace(1000, scrape_seconds=2)
    assert (
        pace.expression("rate(a[5m]) + rate(a[1h:1m] offset 5m)") == "rate(a[8s]) + rate(a[8s:2s] offset 1s)"
    )


def _file() -> dict[str, Any]:
    return {
        "groups": [
            {
                "name": "alerts",
                "interval": "15s",
                "limit": 5,
                "rules": [
                    {
                        "alert": "A",
                        "expr": "rate(a[10m]) > 5",
                        "for": "2m",
                        "keep_firing_for": "5m",
                        "labels": {"severity": "page"},
                        "annotations": {"summary": "for 5m"},
                    },
                    {"record": "b", "expr": "vector(1800)"},
                ],
            },
            {"name": PATIENCE, "rules": [{"record": "bound:c", "expr": "vector(1800)"}]},
        ]
    }


def test_a_file_of_rules_keeps_all_but_its_durations() -> None:
    """Every duration and the bounds of patience are divided; the rest is as it was."""
    faster = _file()
    group, patient = faster["groups"]
    group["interval"] = "2s"
    group["rules"][0] |= {"expr": "rate(a[60s]) > 5", "for": "12s", "keep_firing_for": "30s"}
    patient["rules"][0]["expr"] = "vector(180)"
    assert Pace(10).rules(_file()) == faster


def test_at_pace_one_nothing_is_changed() -> None:
    """Not even in form."""
    assert Pace(1).rules(_file()) == _file()
    assert Pace(1).prometheus({"global": {"scrape_interval": "5s"}}) == {"global": {"scrape_interval": "5s"}}
    assert Pace(1).alertmanager({"route": {"group_wait": "1m"}}) == {"route": {"group_wait": "1m"}}


def test_prometheus_scrapes_and_evaluates_faster() -> None:
    """Its intervals are divided, also where a scrape has its own, but to no less than a second."""
    document = {
        "global": {"scrape_interval": "5s", "scrape_timeout": "4s", "evaluation_interval": "30s", "a": "5s"},
        "rule_files": ["rules"],
        "scrape_configs": [{"job_name": "b", "scrape_interval": "1m"}],
    }
    assert Pace(10).prometheus(document) == {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "3s", "a": "5s"},
        "rule_files": ["rules"],
        "scrape_configs": [{"job_name": "b", "scrape_interval": "6s"}],
    }


def test_alertmanager_waits_less() -> None:
    """The waits of each route are divided, however deep it is."""
    document = {
        "route": {
            "receiver": "a",
            "group_wait": "30s",
            "repeat_interval": "1d",
            "routes": [{"group_interval": "5m", "routes": [{"group_wait": "10s"}]}],
        },
        "receivers": [],
    }
    assert Pace(20).alertmanager(document) == {
        "route": {
            "receiver": "a",
            "group_wait": "2s",
            "repeat_interval": "4320s",
            "routes": [{"group_interval": "15s", "routes": [{"group_wait": "1s"}]}],
        },
        "receivers": [],
    }


def test_the_environment_says_the_pace() -> None:
    """Unset or empty it is 1; the scrape interval is that of the configuration, at the same pace."""
    assert Pace.of({}) == Pace(1)
    assert Pace.of({VARIABLE: ""}) == Pace(1)
    assert Pace.of({VARIABLE: "2.5"}, {"global": {"scrape_interval": "5s"}}) == Pace(2.5, scrape_seconds=2)


@pytest.mark.parametrize("text", ["fast", "0", "-1", "0.5", "nan", "inf"])
def test_a_pace_that_is_none_is_refused(text: str) -> None:
    """Neither words nor anything below 1: rules that run slower than written miss what they are for."""
    with pytest.raises(NativeError, match=f"{VARIABLE} is '{text}': set it to a number of at least 1"):
        Pace.of({VARIABLE: text})
