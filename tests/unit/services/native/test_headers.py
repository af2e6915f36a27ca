"""Headers reach the Collector as they were meant."""

from __future__ import annotations

import json

import pytest

from voxtrace_services.native import NativeError
from voxtrace_services.native.headers import for_collector


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api-key=abc", {"api-key": "abc"}),
        ("authorization=Bearer%20x%3D,x-team=speech", {"authorization": "Bearer x=", "x-team": "speech"}),
        ("authorization=Basic dXNlcjpwYXNz==", {"authorization": "Basic dXNlcjpwYXNz=="}),
        ('{"Authorization": "Bearer x, y"}', {"Authorization": "Bearer x, y"}),
        ("k=a$b", {"k": "a$$b"}),
        ("", {}),
    ],
)
def test_both_forms_become_a_map(text: str, expected: dict[str, str]) -> None:
    """The standard list and a JSON object become the same kind of map, with $ kept from expansion."""
    assert json.loads(for_collector(text)) == expected


@pytest.mark.parametrize("text", ["s3cret", '{"a": 1}', "{s3cret"])
def test_anything_else_is_refused_unquoted(text: str) -> None:
    """What is neither form is an error that does not repeat the secret."""
    with pytest.raises(NativeError, match="VOXTRACE_OTLP_HEADERS") as caught:
        for_collector(text)

    assert "s3cret" not in str(caught.value)
