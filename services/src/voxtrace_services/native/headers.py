"""Headers for an OTLP back end, from the form that people write to the form that the Collector reads."""

from __future__ import annotations

import json

from opentelemetry.util.re import parse_env_headers

from voxtrace_services.native.errors import NativeError


def for_collector(text: str) -> str:
    """
    Rewrite headers as the YAML map that `${env:VOXTRACE_OTLP_HEADERS}` must be.

    Args:
        text: `key=value,key2=value2` as in OTEL_EXPORTER_OTLP_HEADERS (values percent-encoded), or a JSON
            object of strings.

    Raises:
        NativeError: when it is neither. The message does not quote it: headers are secrets.
    """
    headers = _object(text) if text.lstrip().startswith("{") else parse_env_headers(text, liberal=True)
    if not headers and text.strip():
        raise NativeError(
            "VOXTRACE_OTLP_HEADERS is neither key=value,key2=value2 nor a JSON object of strings."
        )
    # The Collector expands ${...} in what it reads; a doubled $ is a plain one.
    return json.dumps({name: value.replace("$", "$$") for name, value in headers.items()})


def _object(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)}
