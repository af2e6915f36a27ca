"""What upstream lacks where messages are published, and where tracing is put on and taken off."""

from __future__ import annotations

from contract.messaging import test_consume, test_context, test_instrument, test_publish
from contract.messaging.gaps.gap import FIRST, Gap

PUBLISHED: tuple[Gap, ...] = (
    Gap(
        gap="A publish on a BlockingConnection is two nested PRODUCER spans",
        scenario=test_publish.test_one_publish_is_one_span,
        adapter="blocking",
        since="0.56b0",
        reason=r"^2 PRODUCER spans for one publish",
    ),
    Gap(
        gap="So it is without confirms",
        scenario=test_publish.test_without_confirms_too_one_publish_is_one_span,
        adapter="blocking",
        since="0.56b0",
        reason=r"^2 PRODUCER spans for one publish",
    ),
    Gap(
        gap="Of the two, one has no message below it",
        scenario=test_consume.test_several_consumers_share_a_channel,
        adapter="blocking",
        since="0.56b0",
        reason=r"^a PRODUCER span has no message of its own",
    ),
    Gap(
        gap="And one is no child of the message that is worked on",
        scenario=test_context.test_context_ends_with_the_work,
        adapter="blocking",
        since="0.56b0",
        reason=r"^what is published is not the message's child",
    ),
    Gap(
        gap="A publish on the thread-safe adapter is a trace of its own",
        scenario=test_publish.test_a_publish_belongs_to_its_caller,
        adapter="thread_safe",
        since="0.56b0",
        reason=r"^the PRODUCER span is not the caller's child",
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
        gap="Hooks are not told the method: no delivery tag, redelivered flag or routing key",
        scenario=test_publish.test_a_publish_hook_sees_method_properties_and_body,
        adapter="blocking",
        since="0.33b0",
        reason=r"^the hook is not told the method",
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
    Gap(
        gap="A mandatory message that comes back later looks like a success",
        scenario=test_publish.test_a_returned_message_is_an_error,
        adapter="select",
        since=FIRST,
        reason=r"^a returned message looks like a success",
    ),
    Gap(
        gap="A publish that the broker refuses later looks like a success",
        scenario=test_publish.test_a_message_refused_later_is_an_error,
        adapter="select",
        since=FIRST,
        reason=r"^a refused publish looks like a success",
    ),
    Gap(
        gap="A publish that raises UnroutableError has no error.type",
        scenario=test_publish.test_an_unroutable_message_is_an_error,
        adapter="blocking",
        since=FIRST,
        reason=r"^no error\.type",
    ),
    Gap(
        gap="A publish that raises NackError has no error.type",
        scenario=test_publish.test_a_refused_message_is_an_error,
        adapter="blocking",
        since=FIRST,
        reason=r"^no error\.type",
    ),
    Gap(
        gap="A publish that loses its channel has no error.type",
        scenario=test_publish.test_a_closed_channel_is_an_error,
        adapter="blocking",
        since=FIRST,
        reason=r"^no error\.type",
    ),
    Gap(
        gap="A suppressed publish still gives a message headers",
        scenario=test_publish.test_a_suppressed_publish_goes_out_bare,
        adapter="blocking",
        since=FIRST,
        reason=r"^suppressed, and the message was changed",
    ),
)
