"""The settings that the gateway alone has."""

from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from voxtrace_services.core.messages import Language
from voxtrace_services.core.settings import Settings


class GatewaySettings(Settings):
    """Every service's settings, and what the gateway offers."""

    #: Languages that an upload can be translated into: what the translation engine has installed.
    supported_targets: Annotated[tuple[Language, ...], NoDecode, Field(min_length=1)] = ("es",)
    #: How long a client may take to send one upload.
    upload_timeout_seconds: Annotated[float, Field(gt=0)] = 120.0

    @field_validator("supported_targets", mode="before")
    @classmethod
    def _split_targets(cls, value: Any) -> Any:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )
