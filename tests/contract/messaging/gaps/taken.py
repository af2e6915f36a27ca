"""What upstream lacks where messages are taken."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from contract.messaging import test_consume, test_random_headers
from contract.messaging.bench import Bench
from contract.messaging.gaps.gap import FIRST, Gap


def _hostile(header: str) -> Callable[[Bench], None]:
    return functools.partial(test_consume.test_hostile_headers_cost_no_message, header=header)


@functools.wraps(test_consume.test_the_old_names_can_be_had_too)
def _dup(bench: Bench) -> None:
    with pytest.MonkeyPatch.context() as environment:
        test_consume.test_the_old_names_can_be_had_too(bench, environment)


@functools.wraps(test_random_headers.test_random_headers_cost_no_message)
def _random(bench: Bench) -> None:
    with pytest.MonkeyPatch.context() as patches:
        test_random_headers.test_random_headers_cost_no_message(bench, patches)


TAKEN: tuple[Gap, ...] = (
    Gap(
        gap="Messages of a SelectConnection are not traced",
        scenario=test_consume.test_a_message_is_one_trace,
        adapter="select",
        since=FIRST,
        reason=r"^no span for the message taken",
    ),
    Gap(
        gap="Messages of an AsyncioConnection are not traced",
        scenario=test_consume.test_a_message_is_one_trace,
        adapter="asyncio",
        since=FIRST,
        reason=r"^no span for the message taken",
    ),
    Gap(
        gap="basic_get is not traced",
        scenario=test_consume.test_a_message_is_one_trace,
        adapter="get",
        since=FIRST,
        reason=r"^no span for the message taken",
    ),
    Gap(
        gap="Messages of the thread-safe adapter are not traced",
        scenario=test_consume.test_a_message_is_one_trace,
        adapter="thread_safe",
        since=FIRST,
        reason=r"^no span for the message taken",
    ),
    Gap(
        gap="The processing of a message does not link to its publish",
        scenario=test_consume.test_a_message_is_one_trace,
        adapter="blocking",
        since=FIRST,
        reason=r"^no link to the creation context",
    ),
    Gap(
        gap="A number in `traceparent` kills the consumer, again at every redelivery",
        scenario=_hostile("traceparent"),
        adapter="blocking",
        since=FIRST,
        reason=r"expected string or bytes-like object, got 'int'",
        error=TypeError,
    ),
    Gap(
        gap="A number in `tracestate` beside a good `traceparent` kills the consumer",
        scenario=test_consume.test_a_hostile_tracestate_costs_no_message,
        adapter="blocking",
        since=FIRST,
        reason=r"object of type 'int' has no len\(\)",
        error=TypeError,
    ),
    Gap(
        gap="A number in `baggage` kills the consumer",
        scenario=_hostile("baggage"),
        adapter="blocking",
        since=FIRST,
        reason=r"'int' object has no attribute 'encode'",
        error=AttributeError,
    ),
    Gap(
        gap="Of random headers, the first message of all kills the consumer",
        scenario=_random,
        adapter="blocking",
        since=FIRST,
        reason=r"expected string or bytes-like object",
        error=TypeError,
    ),
    Gap(
        gap="A sampler is told nothing about a message taken",
        scenario=test_consume.test_a_sampler_sees_what_is_taken,
        adapter="blocking",
        since=FIRST,
        reason=r"^the sampler was told nothing",
    ),
    Gap(
        gap="Names and kinds are those of conventions 1.11: a callback is a `receive`",
        scenario=test_consume.test_taking_a_message_has_the_conventions_name_and_kind,
        adapter="blocking",
        since=FIRST,
        reason=r"^name and kind are not semconv 1.44's",
    ),
    Gap(
        gap="OTEL_SEMCONV_STABILITY_OPT_IN=messaging/dup changes nothing",
        scenario=_dup,
        adapter="blocking",
        since=FIRST,
        reason=r"^the new names are missing",
    ),
    Gap(
        gap="The wait in the queue is neither a span nor a measurement",
        scenario=test_consume.test_the_wait_is_a_span_and_a_measurement,
        adapter="blocking",
        since=FIRST,
        reason=r"^no span for the wait in the queue",
    ),
    Gap(
        gap="There are no metrics, hence no exemplars",
        scenario=test_consume.test_what_is_measured_leads_to_its_span,
        adapter="blocking",
        since=FIRST,
        reason=r"^nothing was measured",
    ),
    Gap(
        gap="An exception has no error.type",
        scenario=test_consume.test_an_exception_is_an_error_of_its_type,
        adapter="blocking",
        since=FIRST,
        reason=r"^no error\.type",
    ),
    Gap(
        gap="The span of a message from consume() is over before it is worked on",
        scenario=test_consume.test_the_span_covers_the_work,
        adapter="generator",
        since="0.46b0",
        reason=r"^the span was over before the work",
    ),
)
