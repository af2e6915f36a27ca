"""What upstream lacks where messages are worked on: the context of the work, and what comes after it."""

from __future__ import annotations

import functools
from collections.abc import Callable

from contract.messaging import test_context, test_pull
from contract.messaging.bench import Bench
from contract.messaging.gaps.gap import FIRST, Gap


def _suppressed(*, traced: bool) -> Callable[[Bench], None]:
    return functools.partial(test_context.test_a_suppressed_consumer_is_untraced, traced=traced)


WORKED_ON: tuple[Gap, ...] = (
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
        gap="A publish from the body of consume() leaves its trace attached",
        scenario=test_context.test_context_ends_with_the_work,
        adapter="generator",
        since="0.46b0",
        reason=r"^the message's context outlives its work",
    ),
    Gap(
        gap="What a worker thread gives back through add_callback_threadsafe is a trace of its own",
        scenario=test_context.test_what_a_thread_hands_back_is_in_the_messages_trace,
        adapter="blocking",
        since=FIRST,
        reason=r"^what the thread handed back is in another trace",
    ),
    Gap(
        gap="A message that basic_get returns is not traced",
        scenario=test_pull.test_a_message_got_is_received,
        adapter="get",
        since=FIRST,
        reason=r"^no span for the message taken",
    ),
    Gap(
        gap="A message that basic_get hands to a callback is not traced",
        scenario=test_pull.test_a_message_got_by_callback_is_received,
        adapter="select",
        since=FIRST,
        reason=r"^no span for the message taken",
    ),
)
