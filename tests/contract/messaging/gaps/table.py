"""
Where every scenario of this suite stands with opentelemetry-instrumentation-pika.

It fails there, for the reason in a row of `GAPS`; or it passes there too, as `HELD` says; or it cannot be
asked of upstream, and `OURS` says why not. A scenario may be a gap on one adapter and held on another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contract.messaging import (
    test_batch,
    test_consume,
    test_context,
    test_instrument,
    test_interoperation,
    test_measure,
    test_publish,
    test_pull,
    test_settle,
    test_story,
)
from contract.messaging.bench import Bench
from contract.messaging.gaps.ended import ENDED
from contract.messaging.gaps.gap import Gap
from contract.messaging.gaps.published import PUBLISHED
from contract.messaging.gaps.taken import TAKEN
from contract.messaging.gaps.worked_on import WORKED_ON

GAPS: tuple[Gap, ...] = (*PUBLISHED, *TAKEN, *WORKED_ON, *ENDED)

HELD: tuple[tuple[Callable[[Bench], None], str], ...] = (
    (test_consume.test_an_exception_comes_out_of_pika_as_it_went_in, "blocking"),
    (test_consume.test_the_span_covers_the_work, "blocking"),
    (test_context.test_baggage_reaches_the_work, "blocking"),
    (test_instrument.test_uninstrument_restores_pika_by_identity, "blocking"),
    (test_publish.test_a_publish_belongs_to_its_caller, "blocking"),
    (test_publish.test_a_publish_belongs_to_its_caller, "select"),
    (test_publish.test_a_publish_belongs_to_its_caller, "asyncio"),
    (test_pull.test_an_empty_queue_is_no_span, "get"),
)
"""What upstream does as we do, and the adapter that this is shown on."""

OPTION = "An option that upstream does not have, under any name."
METRIC = "A metric of ours; that upstream measures nothing at all is a row."
CALL = "A call of ours; nothing in upstream takes several messages."
HEADER = "A header of ours, or one that our pipelines write."
NAMED = "Asked in our own span names, and a row shows the same gap without them: "

OURS: dict[Callable[..., Any], str] = {
    test_batch.test_a_batch_is_one_span_with_a_link_to_each_message: CALL,
    test_batch.test_batches_follow_one_another_within_a_prefetch: CALL,
    test_consume.test_a_link_can_be_all_there_is: OPTION,
    test_consume.test_a_process_hook_sees_method_properties_and_body: OPTION,
    test_consume.test_an_excluded_queue_is_untraced: OPTION,
    test_consume.test_an_untrusted_sender_is_linked_alone: OPTION,
    test_consume.test_nothing_is_left_open: NAMED + "the names and the wait.",
    test_consume.test_where_a_connection_was_made_is_of_no_account: (
        "Where it could go wrong, upstream has no span: messages of that adapter are not traced."
    ),
    test_interoperation.test_an_upstream_consumer_goes_on_with_our_trace: "Upstream is its other side.",
    test_interoperation.test_an_upstream_producers_trace_goes_on_here: "Upstream is its other side.",
    test_measure.test_what_is_in_flight_is_counted: METRIC,
    test_measure.test_what_is_refused_is_counted: METRIC,
    test_publish.test_only_chosen_baggage_is_published: OPTION,
    test_settle.test_a_channel_the_broker_closes_ends_the_span: NAMED + "a channel closed before the ack.",
    test_settle.test_a_failure_republished_from_a_thread_fails_the_message: HEADER,
    test_settle.test_an_ack_on_a_broken_connection_is_no_success: NAMED + "an ack that was lost.",
    test_settle.test_work_in_a_thread_is_one_trace: NAMED + "what a worker thread gives back.",
    test_story.test_a_story_can_be_told_by_header_alone: HEADER,
}
"""What cannot be asked of upstream, and why."""
