"""
What opentelemetry-instrumentation-pika gets wrong or leaves out: the scenarios of this suite that it fails.

Every row is run against the installed release, and must fail for the reason it gives. A row that no longer
does fails the test run: upstream has mended it, and the row goes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from contract.messaging import (
    test_consume,
    test_context,
    test_instrument,
    test_publish,
    test_pull,
    test_settle,
    test_story,
)
from contract.messaging.bench import Bench

FIRST = "0.25b1"
"""The first release of all; its source was read, as that of 0.33b0, 0.44b0, 0.55b1 and 0.66b1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """
    One thing that upstream does not do.

    Attributes:
        gap: What a user sees.
        scenario: The test of ours that shows it.
        adapter: The way to use pika that it is shown on.
        since: The release that brought it, as far as sources were read.
        reason: What the failure must say, as a regular expression.
        error: What the failure must be.
    """

    gap: str
    scenario: Callable[[Bench], None]
    adapter: str
    since: str
    reason: str
    error: type[BaseException] = AssertionError


def _hostile(header: str) -> Callable[[Bench], None]:
    return functools.partial(test_consume.test_hostile_headers_cost_no_message, header=header)


def _suppressed(*, traced: bool) -> Callable[[Bench], None]:
    return functools.partial(test_context.test_a_suppressed_consumer_is_untraced, traced=traced)


def _dup(bench: Bench) -> None:
    with pytest.MonkeyPatch.context() as environment:
        test_consume.test_the_old_names_can_be_had_too(bench, environment)


def _nack(channel: Any, tag: int) -> None:
    channel.basic_nack(tag, requeue=False)


_refused = functools.partial(test_settle.test_a_refused_message_is_an_error, operation="nack", refuse=_nack)

GAPS: tuple[Gap, ...] = (
    Gap(
        gap="A publish on a BlockingConnection is two nested PRODUCER spans",
        scenario=test_publish.test_one_publish_is_one_span,
        adapter="blocking",
        since="0.56b0",
        reason=r"^2 PRODUCER spans for one publish",
    ),
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
        gap="A publish on the thread-safe adapter is a trace of its own",
        scenario=test_publish.test_a_publish_belongs_to_its_caller,
        adapter="thread_safe",
        since="0.56b0",
        reason=r"^the PRODUCER span is not the caller's child",
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
        gap="suppress_instrumentation() kills the consumer",
        scenario=_suppressed(traced=False),
        adapter="blocking",
        since=FIRST,
        reason=r"'NoneType' object has no attribute",
        error=AttributeError,
    ),
    Gap(
        gap="suppress_instrumentation() is forgotten where a message carries context",
        scenario=_suppressed(traced=True),
        adapter="blocking",
        since=FIRST,
        reason=r"^a span in spite of suppression",
    ),
    Gap(
        gap="What surrounds the consumer (baggage, values, the current span) is dropped",
        scenario=test_context.test_what_surrounds_the_consumer_stays,
        adapter="blocking",
        since="0.33b0",
        reason=r"^the surrounding context was dropped",
    ),
    Gap(
        gap="A message sent on loses its creation context",
        scenario=test_publish.test_a_republished_message_keeps_its_creation,
        adapter="blocking",
        since=FIRST,
        reason=r"^the creation context was overwritten",
    ),
    Gap(
        gap="The caller's BasicProperties are changed",
        scenario=test_publish.test_the_callers_properties_are_unmutated,
        adapter="blocking",
        since=FIRST,
        reason=r"^the caller's properties were changed",
    ),
    Gap(
        gap="A sampler is told nothing about a publish",
        scenario=test_publish.test_a_sampler_sees_what_is_published,
        adapter="blocking",
        since=FIRST,
        reason=r"^the sampler was told nothing",
    ),
    Gap(
        gap="A sampler is told nothing about a message taken",
        scenario=test_consume.test_a_sampler_sees_what_is_taken,
        adapter="blocking",
        since=FIRST,
        reason=r"^the sampler was told nothing",
    ),
    Gap(
        gap="Hooks are not told the method: no delivery tag, redelivered flag or routing key",
        scenario=test_publish.test_a_publish_hook_sees_method_properties_and_body,
        adapter="blocking",
        since="0.33b0",
        reason=r"^the hook is not told the method",
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
    Gap(
        gap="consume() loses the message's baggage",
        scenario=test_context.test_baggage_reaches_the_work,
        adapter="generator",
        since="0.46b0",
        reason=r"^the baggage did not arrive",
    ),
    Gap(
        gap="consume() stays in a message's trace at idle ticks",
        scenario=test_pull.test_an_idle_tick_is_in_no_messages_context,
        adapter="generator",
        since="0.46b0",
        reason=r"^an idle tick is in the message's context",
    ),
    Gap(
        gap="consume() stays in a message's trace after the loop",
        scenario=test_pull.test_the_context_ends_with_the_loop,
        adapter="generator",
        since="0.46b0",
        reason=r"^the context outlives the loop",
    ),
    Gap(
        gap="Work handed to a thread is longer than its span",
        scenario=test_settle.test_an_ack_from_another_thread_is_in_the_messages_trace,
        adapter="blocking",
        since=FIRST,
        reason=r"^the span was over before the work",
    ),
    Gap(
        gap="A message refused without an exception looks like a success",
        scenario=_refused,
        adapter="blocking",
        since=FIRST,
        reason=r"^a refused message looks like a success",
    ),
    Gap(
        gap="Settlements are not traced",
        scenario=test_settle.test_an_ack_is_a_span_if_asked_for,
        adapter="blocking",
        since=FIRST,
        reason=r"^no settle span",
    ),
    Gap(
        gap="A dead letter tells nothing of its history (x-death)",
        scenario=test_story.test_a_dead_letter_knows_its_history,
        adapter="blocking",
        since=FIRST,
        reason=r"^nothing is told of the dead letter's history",
    ),
    Gap(
        gap="After uninstrument() open channels are still traced",
        scenario=test_instrument.test_after_uninstrument_an_open_end_goes_on_untraced,
        adapter="blocking",
        since=FIRST,
        reason=r"^a span after uninstrument\(\)",
    ),
    Gap(
        gap="uninstrument_channel() does nothing",
        scenario=test_instrument.test_one_channel_alone_can_be_traced,
        adapter="blocking",
        since=FIRST,
        reason=r"^a span after uninstrument_channel\(\)",
    ),
    Gap(
        gap="instrument_channel() on a traced channel traces it again",
        scenario=test_instrument.test_a_channel_is_never_traced_twice,
        adapter="select",
        since=FIRST,
        reason=r"^\d PRODUCER spans for one publish",
    ),
)
