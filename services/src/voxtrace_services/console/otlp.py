"""OTLP messages from and to bytes: binary protobuf, and OTLP/JSON with its hex ids."""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from voxtrace_services.console.errors import MalformedError, TooLargeError
from voxtrace_services.console.wire import require_items_below

#: Far above what a sender batches, far below what would fill the memory.
MAX_ITEMS: Final = 200_000
_MAX_JSON_VALUES: Final = 2_000_000

AnyMessage = TypeVar("AnyMessage", bound=Message)

# OTLP/JSON departs from the protobuf JSON mapping in two points: these ids are hex
# rather than base64, and enums are numbers.
_ID_FIELDS: Final = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})


def from_protobuf(body: bytes, message: AnyMessage) -> AnyMessage:
    """Fill `message` from protobuf bytes, or raise MalformedError."""
    require_items_below(body, MAX_ITEMS)
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise MalformedError(f"the body is not a {message.DESCRIPTOR.full_name}: {error}") from error
    return message


def from_json(body: bytes, message: AnyMessage) -> AnyMessage:
    """Fill `message` from OTLP/JSON bytes, or raise MalformedError; unknown fields are passed over."""
    try:
        document = json.loads(body)
        if not isinstance(document, dict):
            raise MalformedError("the body is JSON but not an object; send an OTLP export request")
        if _map_ids(document, _base64_of_hex) > _MAX_JSON_VALUES:
            raise TooLargeError(f"the JSON holds more than {_MAX_JSON_VALUES} values; send smaller batches")
        json_format.ParseDict(document, message, ignore_unknown_fields=True)
    except RecursionError as error:
        raise MalformedError("the JSON is nested too deeply") from error
    except (json_format.ParseError, ValueError, TypeError) as error:
        raise MalformedError(f"the body is not OTLP/JSON: {error}") from error
    return message


def to_json(message: Message) -> dict[str, Any]:
    """Render `message` as an OTLP/JSON document."""
    document: dict[str, Any] = json_format.MessageToDict(message, use_integers_for_enums=True)
    _map_ids(document, _hex_of_base64)
    return document


def _map_ids(node: Any, convert: Callable[[str], str]) -> int:
    """Convert every id in place and return how many values the document holds."""
    count = 1
    if isinstance(node, dict):
        for key, value in node.items():
            if key in _ID_FIELDS and isinstance(value, str):
                node[key] = convert(value)
            else:
                count += _map_ids(value, convert)
    elif isinstance(node, list):
        for item in node:
            count += _map_ids(item, convert)
    return count


def _base64_of_hex(text: str) -> str:
    # unhexlify, not bytes.fromhex: the latter lets blanks through.
    return base64.b64encode(binascii.unhexlify(text)).decode("ascii")


def _hex_of_base64(text: str) -> str:
    return base64.b64decode(text).hex()
