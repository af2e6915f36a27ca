"""Messages between the services."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from voxtrace_services.core.broker import RejectedError
from voxtrace_services.core.messages import (
    JobEvent,
    SynthesizeRequest,
    TranscribeRequest,
    TranslateRequest,
    decode,
)

MESSAGES = [
    TranscribeRequest(job_id="j", audio="j/audio", target_language="es", voice="es+f3"),
    TranslateRequest(
        job_id="j", transcript="j/transcript.json", source_language="en", target_language="es-419"
    ),
    SynthesizeRequest(job_id="j", translation="j/translation.json", language="es"),
    JobEvent(job_id="j", outcome="failed", stage="transcription", reason="audio_undecodable", detail="no"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_round_trip(message: TranscribeRequest) -> None:
    """A message that was sent is read back the same."""
    outgoing = message.outgoing("key")
    assert type(message).model_validate_json(outgoing.body) == message
    assert (outgoing.routing_key, outgoing.correlation_id, outgoing.type) == (
        "key",
        "j",
        type(message).__name__,
    )
    assert json.loads(outgoing.body)["version"] == 1


def test_each_sending_is_a_message_of_its_own() -> None:
    """Two messages never share an id."""
    assert MESSAGES[0].outgoing("key").message_id != MESSAGES[0].outgoing("key").message_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"job_id": "../etc"},
        {"job_id": ""},
        {"audio": "/etc/passwd"},
        {"audio": "j/../../passwd"},
        {"audio": "j/audio\n"},
        {"target_language": "--help"},
        {"target_language": "Spanish"},
        {"voice": "--path=/etc"},
        {"voice": "../../etc/passwd"},
        {"version": 2},
        {"version": "1"},
        {"colour": "red"},
    ],
    ids=str,
)
def test_refused(wrong: dict[str, object]) -> None:
    """Paths, options, other versions and unknown fields are no message."""
    fields = {"job_id": "j", "audio": "j/audio", "target_language": "es", **wrong}
    with pytest.raises(ValidationError):
        TranscribeRequest.model_validate(fields)


def test_frozen() -> None:
    """A message cannot be changed."""
    with pytest.raises(ValidationError, match="frozen"):
        MESSAGES[0].job_id = "other"  # type: ignore[misc]  # the fact under test


def test_invalid_message_names_its_field() -> None:
    """Whoever looks at a dead letter reads which field was wrong."""
    with pytest.raises(RejectedError, match="SynthesizeRequest is wrong in language"):
        decode(SynthesizeRequest, b'{"version":1,"job_id":"j","translation":"j/a","language":"?"}')
