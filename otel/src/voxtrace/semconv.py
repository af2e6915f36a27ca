"""
The names Voxtrace emits, beside those of the OpenTelemetry semantic conventions 1.44.

Only the names that are ours or still incubating upstream are here: an
incubating name is copied, because its Python constant may move in any release.
"""

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

# General attributes.
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
PROCESS_EXIT_CODE: Final = "process.exit.code"

# Messaging attributes.
MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_OPERATION_NAME: Final = "messaging.operation.name"
MESSAGING_OPERATION_TYPE: Final = "messaging.operation.type"
MESSAGING_DESTINATION_NAME: Final = "messaging.destination.name"
MESSAGING_DESTINATION_ANONYMOUS: Final = "messaging.destination.anonymous"
MESSAGING_MESSAGE_ID: Final = "messaging.message.id"
MESSAGING_MESSAGE_CONVERSATION_ID: Final = "messaging.message.conversation_id"
MESSAGING_BATCH_MESSAGE_COUNT: Final = "messaging.batch.message_count"
MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY: Final = "messaging.rabbitmq.destination.routing_key"
MESSAGING_RABBITMQ_MESSAGE_DELIVERY_TAG: Final = "messaging.rabbitmq.message.delivery_tag"

# Messaging attributes of ours: what the conventions leave out.
VOXTRACE_QUEUE_NAME: Final = "voxtrace.messaging.queue.name"
VOXTRACE_REDELIVERED: Final = "voxtrace.messaging.redelivered"
VOXTRACE_DELIVERY_ATTEMPT: Final = "voxtrace.messaging.delivery.attempt"
VOXTRACE_DELIVERY_COUNT: Final = "voxtrace.messaging.delivery.count"
VOXTRACE_DEATH_COUNT: Final = "voxtrace.messaging.death.count"
VOXTRACE_DEATH_QUEUE: Final = "voxtrace.messaging.death.queue"
VOXTRACE_DEATH_REASON: Final = "voxtrace.messaging.death.reason"
VOXTRACE_FIRST_DEATH_QUEUE: Final = "voxtrace.messaging.death.first.queue"
VOXTRACE_FIRST_DEATH_REASON: Final = "voxtrace.messaging.death.first.reason"
VOXTRACE_SETTLEMENT: Final = "voxtrace.messaging.settlement"
VOXTRACE_HEADER_NAME: Final = "voxtrace.messaging.header.name"
VOXTRACE_REFUSAL_REASON: Final = "voxtrace.messaging.refusal.reason"
VOXTRACE_WAIT_SOURCE: Final = "voxtrace.messaging.wait.source"
VOXTRACE_WAIT_CLOCK_SKEW: Final = "voxtrace.messaging.wait.clock_skew"
VOXTRACE_WAIT_BROKER: Final = "voxtrace.messaging.wait.broker"
VOXTRACE_WAIT_PREFETCH: Final = "voxtrace.messaging.wait.prefetch"

# Why a link was made.
VOXTRACE_LINK_REASON: Final = "voxtrace.link.reason"
LINK_UNTRUSTED_SENDER: Final = "untrusted_sender"
LINK_PREVIOUS_ATTEMPT: Final = "previous_attempt"
LINK_BATCH: Final = "batch"

# Messaging names that the conventions gave up, and tools still look for.
FORMER_MESSAGING_DESTINATION: Final = "messaging.destination"
FORMER_MESSAGING_TEMP_DESTINATION: Final = "messaging.temp_destination"
FORMER_MESSAGING_OPERATION: Final = "messaging.operation"
FORMER_MESSAGING_CONVERSATION_ID: Final = "messaging.conversation_id"
FORMER_NET_PEER_NAME: Final = "net.peer.name"
FORMER_NET_PEER_PORT: Final = "net.peer.port"
FORMER_METRIC_PUBLISH_DURATION: Final = "messaging.publish.duration"
FORMER_METRIC_PUBLISH_MESSAGES: Final = "messaging.publish.messages"
FORMER_METRIC_PUBLISHED_MESSAGES: Final = "messaging.client.published.messages"
FORMER_METRIC_RECEIVE_DURATION: Final = "messaging.receive.duration"
FORMER_METRIC_RECEIVE_MESSAGES: Final = "messaging.receive.messages"
FORMER_METRIC_PROCESS_MESSAGES: Final = "messaging.process.messages"

# Generative AI attributes, as far as the conventions reach speech.
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_OUTPUT_TYPE: Final = "gen_ai.output.type"
OPERATION_SPEECH_TO_TEXT: Final = "speech_to_text"
OPERATION_TRANSLATE: Final = "translate"
OPERATION_TEXT_TO_SPEECH: Final = "text_to_speech"

# Speech attributes: one prefix, so that a convention of the same kind can take its place.
SPEECH: Final = "speech."
SPEECH_AUDIO_DURATION: Final = SPEECH + "audio.duration"
SPEECH_REAL_TIME_FACTOR: Final = SPEECH + "real_time_factor"
SPEECH_SEGMENT_COUNT: Final = SPEECH + "asr.segment.count"
SPEECH_WINDOW_COUNT: Final = SPEECH + "asr.window.count"
SPEECH_LANGUAGE_DETECTED: Final = SPEECH + "language.detected"
SPEECH_LANGUAGE_PROBABILITY: Final = SPEECH + "language.probability"
SPEECH_ENGINE_DURATION: Final = SPEECH + "engine.duration"
SPEECH_STAGE_NAME: Final = SPEECH + "stage.name"
SPEECH_AUDIO_SPEECH_DURATION: Final = SPEECH + "audio.speech_duration"
SPEECH_LANGUAGE_REQUESTED: Final = SPEECH + "language.requested"
SPEECH_ASR_TASK: Final = SPEECH + "asr.task"
SPEECH_ASR_BEAM_SIZE: Final = SPEECH + "asr.beam_size"
SPEECH_ASR_BATCH_SIZE: Final = SPEECH + "asr.batch_size"
SPEECH_ASR_WORD_TIMESTAMPS: Final = SPEECH + "asr.word_timestamps"
SPEECH_ASR_VAD_ENABLED: Final = SPEECH + "asr.vad.enabled"
SPEECH_ASR_DEVICE: Final = SPEECH + "asr.device"
SPEECH_ASR_COMPUTE_TYPE: Final = SPEECH + "asr.compute_type"
SPEECH_ASR_WORD_COUNT: Final = SPEECH + "asr.word.count"
SPEECH_ASR_CHARACTER_COUNT: Final = SPEECH + "asr.character.count"
SPEECH_ASR_WINDOW_INDEX: Final = SPEECH + "asr.window.index"
SPEECH_ASR_WINDOW_SKIPPED: Final = SPEECH + "asr.window.skipped"
SPEECH_ASR_WINDOW_AGGREGATED: Final = SPEECH + "asr.window.aggregated"
SPEECH_ASR_FALLBACK_COUNT: Final = SPEECH + "asr.fallback.count"
SPEECH_ASR_ATTEMPT: Final = SPEECH + "asr.attempt"
SPEECH_ASR_TEMPERATURE: Final = SPEECH + "asr.temperature"
SPEECH_ASR_INCOMPLETE: Final = SPEECH + "asr.incomplete"
SPEECH_ASR_AVG_LOGPROB: Final = SPEECH + "asr.avg_logprob"
SPEECH_ASR_CONFIDENCE: Final = SPEECH + "asr.confidence"
SPEECH_ASR_NO_SPEECH_PROBABILITY: Final = SPEECH + "asr.no_speech_probability"
SPEECH_ASR_COMPRESSION_RATIO: Final = SPEECH + "asr.compression_ratio"
SPEECH_SOURCE_LANGUAGE: Final = SPEECH + "translation.source_language"
SPEECH_TARGET_LANGUAGE: Final = SPEECH + "translation.target_language"
SPEECH_TRANSLATION_INPUT_CHARACTERS: Final = SPEECH + "translation.input.character.count"
SPEECH_TRANSLATION_INPUT_WORDS: Final = SPEECH + "translation.input.word.count"
SPEECH_TRANSLATION_OUTPUT_CHARACTERS: Final = SPEECH + "translation.output.character.count"
SPEECH_TRANSLATION_OUTPUT_WORDS: Final = SPEECH + "translation.output.word.count"
SPEECH_TRANSLATION_UNKNOWN_WORDS: Final = SPEECH + "translation.unknown_word.count"
SPEECH_TRANSLATION_UNKNOWN_RATIO: Final = SPEECH + "translation.unknown_word.ratio"
SPEECH_TTS_CHARACTER_COUNT: Final = SPEECH + "tts.character.count"
SPEECH_TTS_WORD_COUNT: Final = SPEECH + "tts.word.count"

# Metrics.
METRIC_SENT_MESSAGES: Final = "messaging.client.sent.messages"
METRIC_CONSUMED_MESSAGES: Final = "messaging.client.consumed.messages"
METRIC_MESSAGING_OPERATION_DURATION: Final = "messaging.client.operation.duration"
METRIC_PROCESS_DURATION: Final = "messaging.process.duration"
METRIC_WAIT_DURATION: Final = "voxtrace.messaging.wait.duration"
METRIC_WAIT_PREFETCH_DURATION: Final = "voxtrace.messaging.wait.prefetch.duration"
METRIC_REFUSED_HEADERS: Final = "voxtrace.messaging.refused_headers"
METRIC_RETURNED_MESSAGES: Final = "voxtrace.messaging.returned.messages"
METRIC_IN_FLIGHT: Final = "voxtrace.messaging.in_flight"
METRIC_IN_FLIGHT_AGE: Final = "voxtrace.messaging.in_flight.age"
METRIC_GEN_AI_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_STAGE_DURATION: Final = SPEECH + "stage.duration"

# Speech work takes minutes where an HTTP call takes milliseconds; without the tail
# every long job would fall into the overflow bucket.
DURATION_BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    30.0, 60.0, 120.0, 300.0, 600.0,
)  # fmt: skip
# A factor is mostly below 1; an upload lasts seconds to an hour.
REAL_TIME_FACTOR_BUCKETS: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0)
AUDIO_DURATION_BUCKETS: Final = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
