"""
What Voxtrace emits: the names, units and buckets of `otel/schema`; written from it by `make schema`.

Names of the OpenTelemetry semantic conventions 1.44 are copied where they are still incubating, because their
Python constants may move in any release. docs/telemetry.md says what each stands for.
"""

# A line for each name:
# fmt: off
from typing import Final

from voxtrace._metric import Metric

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

#: One prefix, so that a convention of the same kind can take its place.
SPEECH: Final = "speech."


# Of the general conventions, version 1.44.
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
PROCESS_EXIT_CODE: Final = "process.exit.code"

# Of the messaging conventions, version 1.44.
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

# What the messaging conventions leave out.
VOXTRACE_MESSAGING_QUEUE_NAME: Final = "voxtrace.messaging.queue.name"
VOXTRACE_MESSAGING_REDELIVERED: Final = "voxtrace.messaging.redelivered"
VOXTRACE_MESSAGING_DELIVERY_ATTEMPT: Final = "voxtrace.messaging.delivery.attempt"
VOXTRACE_MESSAGING_DELIVERY_COUNT: Final = "voxtrace.messaging.delivery.count"
VOXTRACE_MESSAGING_DEATH_COUNT: Final = "voxtrace.messaging.death.count"
VOXTRACE_MESSAGING_DEATH_QUEUE: Final = "voxtrace.messaging.death.queue"
VOXTRACE_MESSAGING_DEATH_REASON: Final = "voxtrace.messaging.death.reason"
VOXTRACE_MESSAGING_DEATH_FIRST_QUEUE: Final = "voxtrace.messaging.death.first.queue"
VOXTRACE_MESSAGING_DEATH_FIRST_REASON: Final = "voxtrace.messaging.death.first.reason"
VOXTRACE_MESSAGING_SETTLEMENT: Final = "voxtrace.messaging.settlement"
VOXTRACE_MESSAGING_SETTLEMENT_ACK_COUNT: Final = "voxtrace.messaging.settlement.ack.count"
VOXTRACE_MESSAGING_SETTLEMENT_NACK_COUNT: Final = "voxtrace.messaging.settlement.nack.count"
VOXTRACE_MESSAGING_SETTLEMENT_REJECT_COUNT: Final = "voxtrace.messaging.settlement.reject.count"
VOXTRACE_MESSAGING_SETTLEMENT_REQUEUE_COUNT: Final = "voxtrace.messaging.settlement.requeue.count"
VOXTRACE_MESSAGING_SETTLEMENT_CHANNEL_CLOSED_COUNT: Final = "voxtrace.messaging.settlement.channel_closed.count"
VOXTRACE_MESSAGING_HEADER_NAME: Final = "voxtrace.messaging.header.name"
VOXTRACE_MESSAGING_REFUSAL_REASON: Final = "voxtrace.messaging.refusal.reason"
VOXTRACE_MESSAGING_WAIT_SOURCE: Final = "voxtrace.messaging.wait.source"
VOXTRACE_MESSAGING_WAIT_CLOCK_SKEW: Final = "voxtrace.messaging.wait.clock_skew"
VOXTRACE_MESSAGING_WAIT_BROKER: Final = "voxtrace.messaging.wait.broker"
VOXTRACE_MESSAGING_WAIT_PREFETCH: Final = "voxtrace.messaging.wait.prefetch"
VOXTRACE_LINK_REASON: Final = "voxtrace.link.reason"
VOXTRACE_LINK_REASON_UNTRUSTED_SENDER: Final = "untrusted_sender"
VOXTRACE_LINK_REASON_PREVIOUS_ATTEMPT: Final = "previous_attempt"
VOXTRACE_LINK_REASON_BATCH: Final = "batch"

# What the conventions gave up, and tools still look for; only under `messaging/dup`.
MESSAGING_DESTINATION: Final = "messaging.destination"
MESSAGING_TEMP_DESTINATION: Final = "messaging.temp_destination"
MESSAGING_OPERATION: Final = "messaging.operation"
MESSAGING_CONVERSATION_ID: Final = "messaging.conversation_id"
NET_PEER_NAME: Final = "net.peer.name"
NET_PEER_PORT: Final = "net.peer.port"

# Of the generative AI conventions, as far as they reach speech; operation names as proposed there
# (genai#390).
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_OPERATION_NAME_SPEECH_TO_TEXT: Final = "speech_to_text"
GEN_AI_OPERATION_NAME_TRANSLATE: Final = "translate"
GEN_AI_OPERATION_NAME_TEXT_TO_SPEECH: Final = "text_to_speech"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_OUTPUT_TYPE: Final = "gen_ai.output.type"

# What no convention names yet.
SPEECH_AUDIO_DURATION: Final = SPEECH + "audio.duration"
SPEECH_AUDIO_SPEECH_DURATION: Final = SPEECH + "audio.speech_duration"
SPEECH_REAL_TIME_FACTOR: Final = SPEECH + "real_time_factor"
SPEECH_ENGINE_DURATION: Final = SPEECH + "engine.duration"
SPEECH_STAGE_NAME: Final = SPEECH + "stage.name"
SPEECH_LANGUAGE_REQUESTED: Final = SPEECH + "language.requested"
SPEECH_LANGUAGE_DETECTED: Final = SPEECH + "language.detected"
SPEECH_LANGUAGE_PROBABILITY: Final = SPEECH + "language.probability"

# Of speech recognition.
SPEECH_ASR_TASK: Final = SPEECH + "asr.task"
SPEECH_ASR_BEAM_SIZE: Final = SPEECH + "asr.beam_size"
SPEECH_ASR_BATCH_SIZE: Final = SPEECH + "asr.batch_size"
SPEECH_ASR_WORD_TIMESTAMPS: Final = SPEECH + "asr.word_timestamps"
SPEECH_ASR_VAD_ENABLED: Final = SPEECH + "asr.vad.enabled"
SPEECH_ASR_DEVICE: Final = SPEECH + "asr.device"
SPEECH_ASR_COMPUTE_TYPE: Final = SPEECH + "asr.compute_type"
SPEECH_ASR_SEGMENT_COUNT: Final = SPEECH + "asr.segment.count"
SPEECH_ASR_WORD_COUNT: Final = SPEECH + "asr.word.count"
SPEECH_ASR_CHARACTER_COUNT: Final = SPEECH + "asr.character.count"
SPEECH_ASR_WINDOW_COUNT: Final = SPEECH + "asr.window.count"
SPEECH_ASR_WINDOW_INDEX: Final = SPEECH + "asr.window.index"
SPEECH_ASR_WINDOW_SKIPPED: Final = SPEECH + "asr.window.skipped"
SPEECH_ASR_WINDOW_AGGREGATED: Final = SPEECH + "asr.window.aggregated"
SPEECH_ASR_ENCODE_COUNT: Final = SPEECH + "asr.encode.count"
SPEECH_ASR_ENCODE_DURATION: Final = SPEECH + "asr.encode.duration"
SPEECH_ASR_DECODE_COUNT: Final = SPEECH + "asr.decode.count"
SPEECH_ASR_DECODE_DURATION: Final = SPEECH + "asr.decode.duration"
SPEECH_ASR_ALIGN_COUNT: Final = SPEECH + "asr.align.count"
SPEECH_ASR_ALIGN_DURATION: Final = SPEECH + "asr.align.duration"
SPEECH_ASR_FALLBACK_COUNT: Final = SPEECH + "asr.fallback.count"
SPEECH_ASR_ATTEMPT: Final = SPEECH + "asr.attempt"
SPEECH_ASR_TEMPERATURE: Final = SPEECH + "asr.temperature"
SPEECH_ASR_INCOMPLETE: Final = SPEECH + "asr.incomplete"
SPEECH_ASR_AVG_LOGPROB: Final = SPEECH + "asr.avg_logprob"
SPEECH_ASR_CONFIDENCE: Final = SPEECH + "asr.confidence"
SPEECH_ASR_NO_SPEECH_PROBABILITY: Final = SPEECH + "asr.no_speech_probability"
SPEECH_ASR_COMPRESSION_RATIO: Final = SPEECH + "asr.compression_ratio"

# Of machine translation.
SPEECH_TRANSLATION_SOURCE_LANGUAGE: Final = SPEECH + "translation.source_language"
SPEECH_TRANSLATION_TARGET_LANGUAGE: Final = SPEECH + "translation.target_language"
SPEECH_TRANSLATION_INPUT_CHARACTER_COUNT: Final = SPEECH + "translation.input.character.count"
SPEECH_TRANSLATION_INPUT_WORD_COUNT: Final = SPEECH + "translation.input.word.count"
SPEECH_TRANSLATION_OUTPUT_CHARACTER_COUNT: Final = SPEECH + "translation.output.character.count"
SPEECH_TRANSLATION_OUTPUT_WORD_COUNT: Final = SPEECH + "translation.output.word.count"
SPEECH_TRANSLATION_UNKNOWN_WORD_COUNT: Final = SPEECH + "translation.unknown_word.count"
SPEECH_TRANSLATION_UNKNOWN_WORD_RATIO: Final = SPEECH + "translation.unknown_word.ratio"

# Of speech synthesis.
SPEECH_TTS_CHARACTER_COUNT: Final = SPEECH + "tts.character.count"
SPEECH_TTS_WORD_COUNT: Final = SPEECH + "tts.word.count"

# Of a translation cache.
SPEECH_CACHE_RESULT: Final = SPEECH + "cache.result"
SPEECH_CACHE_RESULT_HIT: Final = "hit"
SPEECH_CACHE_RESULT_MISS: Final = "miss"
SPEECH_CACHE_RESULT_UNAVAILABLE: Final = "unavailable"
SPEECH_TRANSLATION_CACHE_RESULT: Final = SPEECH + "translation.cache.result"
SPEECH_TRANSLATION_CACHE_AGE: Final = SPEECH + "translation.cache.age"

# Of speech that is made sentence by sentence.
SPEECH_TTS_SENTENCE_COUNT: Final = SPEECH + "tts.sentence.count"
SPEECH_TTS_SENTENCE_INDEX: Final = SPEECH + "tts.sentence.index"
SPEECH_TTS_SENTENCE_AGGREGATED: Final = SPEECH + "tts.sentence.aggregated"
SPEECH_TTS_SYNTHESIZE_DURATION: Final = SPEECH + "tts.synthesize.duration"
SPEECH_TTS_INCOMPLETE: Final = SPEECH + "tts.incomplete"

# Of translation by models, sentence by sentence.
SPEECH_TRANSLATION_PIVOT: Final = SPEECH + "translation.pivot"
SPEECH_TRANSLATION_SENTENCE_COUNT: Final = SPEECH + "translation.sentence.count"
SPEECH_TRANSLATION_SEGMENT_COUNT: Final = SPEECH + "translation.segment.count"
SPEECH_TRANSLATION_SEGMENT_DURATION: Final = SPEECH + "translation.segment.duration"
SPEECH_TRANSLATION_INFER_COUNT: Final = SPEECH + "translation.infer.count"
SPEECH_TRANSLATION_INFER_DURATION: Final = SPEECH + "translation.infer.duration"

# Of faults that were injected.
VOXTRACE_FAULT_NAME: Final = "voxtrace.fault.name"

# Of stages on a GPU, timed by its own events.
SPEECH_ASR_ENCODE_GPU_DURATION: Final = SPEECH + "asr.encode.gpu_duration"
SPEECH_ASR_DECODE_GPU_DURATION: Final = SPEECH + "asr.decode.gpu_duration"
SPEECH_ASR_ALIGN_GPU_DURATION: Final = SPEECH + "asr.align.gpu_duration"

# Of profiles on demand.
VOXTRACE_PROFILE_PATH: Final = "voxtrace.profile.path"

# Of a job.
SPEECH_JOB_STATE: Final = SPEECH + "job.state"
SPEECH_JOB_OUTCOME: Final = SPEECH + "job.outcome"
SPEECH_JOB_FAILED_STAGE: Final = SPEECH + "job.failed_stage"

# Of audio and of what was made of it; proxies, with the thresholds of `voxtrace.quality`.
SPEECH_AUDIO_PEAK_LEVEL: Final = SPEECH + "audio.peak_level"
SPEECH_AUDIO_LOUDNESS: Final = SPEECH + "audio.loudness"
SPEECH_AUDIO_CLIPPING_RATIO: Final = SPEECH + "audio.clipping_ratio"
SPEECH_AUDIO_SILENCE_RATIO: Final = SPEECH + "audio.silence_ratio"
SPEECH_AUDIO_DC_OFFSET: Final = SPEECH + "audio.dc_offset"
SPEECH_AUDIO_SNR: Final = SPEECH + "audio.snr"
SPEECH_TTS_LEADING_SILENCE: Final = SPEECH + "tts.leading_silence"
SPEECH_QUALITY_FLAGS: Final = SPEECH + "quality.flags"
SPEECH_QUALITY_FLAG_NAME: Final = SPEECH + "quality.flag.name"

# Of the generative AI conventions, for verdicts.
GEN_AI_EVALUATION_NAME: Final = "gen_ai.evaluation.name"
GEN_AI_EVALUATION_SCORE_VALUE: Final = "gen_ai.evaluation.score.value"
GEN_AI_EVALUATION_SCORE_LABEL: Final = "gen_ai.evaluation.score.label"
GEN_AI_EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"

# Of the hardware conventions.
HW_ID: Final = "hw.id"
HW_NAME: Final = "hw.name"

# Of any stage.
SPEECH_ENGINE_COLD: Final = SPEECH + "engine.cold"
SPEECH_COMPONENT_NAME: Final = SPEECH + "component.name"
SPEECH_AUDIO_SIZE: Final = SPEECH + "audio.size"
SPEECH_AUDIO_CONTAINER: Final = SPEECH + "audio.container"
SPEECH_ASR_LANGUAGE: Final = SPEECH + "asr.language"
SPEECH_TTS_LANGUAGE: Final = SPEECH + "tts.language"
SPEECH_TTS_VOICE: Final = SPEECH + "tts.voice"
SPEECH_TTS_FIRST_AUDIO: Final = SPEECH + "tts.first_audio"
SPEECH_TTS_WORD_RANGE: Final = SPEECH + "tts.word_range"
SPEECH_TTS_CHARACTER_RANGE: Final = SPEECH + "tts.character_range"

# Of what work used and cost.
SPEECH_USAGE_OUTCOME: Final = SPEECH + "usage.outcome"
SPEECH_USAGE_OUTCOME_COMPLETED: Final = "completed"
SPEECH_USAGE_OUTCOME_FAILED: Final = "failed"
SPEECH_COST_AMOUNT: Final = SPEECH + "cost.amount"
SPEECH_COST_CURRENCY: Final = SPEECH + "cost.currency"
SPEECH_PRICE_VERSION: Final = SPEECH + "price.version"

# What people said; only with `VOXTRACE_CAPTURE_CONTENT=true`, and under one prefix so that one
# Collector rule drops it.
SPEECH_PII_TRANSCRIPT: Final = SPEECH + "pii.transcript"
SPEECH_PII_SOURCE_TEXT: Final = SPEECH + "pii.source_text"
SPEECH_PII_TRANSLATION: Final = SPEECH + "pii.translation"
SPEECH_PII_SPOKEN_TEXT: Final = SPEECH + "pii.spoken_text"

# Events.
EVENT_VOXTRACE_FAULT_STRUCK: Final = "voxtrace.fault.struck"
EVENT_GEN_AI_EVALUATION_RESULT: Final = "gen_ai.evaluation.result"

# Boundaries of histograms.
BUCKETS_DURATION: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
BUCKETS_REAL_TIME_FACTOR: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0)
BUCKETS_AUDIO_DURATION: Final = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
BUCKETS_SIZE: Final = (10000.0, 50000.0, 100000.0, 500000.0, 1000000.0, 5000000.0, 10000000.0, 50000000.0, 100000000.0)
BUCKETS_PROBABILITY: Final = (0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
BUCKETS_CACHE_AGE: Final = (1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 10800.0, 21600.0, 43200.0, 86400.0, 259200.0, 604800.0)

# Metrics.
METRIC_SPEECH_TRANSLATION_CACHE_LOOKUPS: Final = Metric(SPEECH + "translation.cache.lookups", "{lookup}", "Lookups in the translation cache; hits are translations that no engine made.")
METRIC_SPEECH_TRANSLATION_CACHE_AGE: Final = Metric(SPEECH + "translation.cache.age", "s", "Time since a translation that was found was made.", BUCKETS_CACHE_AGE)
METRIC_SPEECH_TRANSLATION_CACHE_EVICTIONS: Final = Metric(SPEECH + "translation.cache.evictions", "{entry}", "Translations that made room for others; a cache outside the process counts its own.")
METRIC_SPEECH_TRANSLATION_CACHE_ENTRIES: Final = Metric(SPEECH + "translation.cache.entries", "{entry}", "Translations that are kept in the process, expired ones too; a cache outside it counts its own.")
METRIC_SPEECH_JOB_DURATION: Final = Metric(SPEECH + "job.duration", "s", "Time from taking a job in to the news of its end.", BUCKETS_DURATION)
METRIC_SPEECH_JOBS: Final = Metric(SPEECH + "jobs", "{job}", "Jobs by their state; those that ended are all there ever were.")
METRIC_SPEECH_JOB_AGE: Final = Metric(SPEECH + "job.age", "s", "Time since the oldest unfinished job of a state was taken in; 0 where there is none.")
METRIC_MESSAGING_CLIENT_SENT_MESSAGES: Final = Metric("messaging.client.sent.messages", "{message}", "Messages a producer tried to send.")
METRIC_MESSAGING_CLIENT_CONSUMED_MESSAGES: Final = Metric("messaging.client.consumed.messages", "{message}", "Messages delivered to a consumer.")
METRIC_MESSAGING_CLIENT_OPERATION_DURATION: Final = Metric("messaging.client.operation.duration", "s", "Time a publish, to the broker's confirm if there is one, a get or a settlement took.", BUCKETS_DURATION)
METRIC_MESSAGING_PROCESS_DURATION: Final = Metric("messaging.process.duration", "s", "Time from a message's delivery to its settlement.", BUCKETS_DURATION)
METRIC_VOXTRACE_MESSAGING_WAIT_DURATION: Final = Metric("voxtrace.messaging.wait.duration", "s", "Time from a message's enqueueing to its delivery to a callback.", BUCKETS_DURATION)
METRIC_VOXTRACE_MESSAGING_WAIT_PREFETCH_DURATION: Final = Metric("voxtrace.messaging.wait.prefetch.duration", "s", "Time from a message's arrival at the client to its delivery to a callback.", BUCKETS_DURATION)
METRIC_VOXTRACE_MESSAGING_REFUSED_HEADERS: Final = Metric("voxtrace.messaging.refused_headers", "{header}", "Propagated headers that were not believed.")
METRIC_VOXTRACE_MESSAGING_RETURNED_MESSAGES: Final = Metric("voxtrace.messaging.returned.messages", "{message}", "Mandatory messages that the broker sent back.")
METRIC_VOXTRACE_MESSAGING_IN_FLIGHT: Final = Metric("voxtrace.messaging.in_flight", "{message}", "Messages delivered and not settled yet.")
METRIC_VOXTRACE_MESSAGING_IN_FLIGHT_AGE: Final = Metric("voxtrace.messaging.in_flight.age", "s", "Time since the delivery of the oldest message in flight.")
METRIC_MESSAGING_PUBLISH_DURATION: Final = Metric("messaging.publish.duration", "s", "Time a publish took.", BUCKETS_DURATION)
METRIC_MESSAGING_PUBLISH_MESSAGES: Final = Metric("messaging.publish.messages", "{message}", "Messages a producer tried to send.")
METRIC_MESSAGING_CLIENT_PUBLISHED_MESSAGES: Final = Metric("messaging.client.published.messages", "{message}", "Messages a producer tried to send.")
METRIC_MESSAGING_RECEIVE_DURATION: Final = Metric("messaging.receive.duration", "s", "Time a get took.", BUCKETS_DURATION)
METRIC_MESSAGING_RECEIVE_MESSAGES: Final = Metric("messaging.receive.messages", "{message}", "Messages got from a queue.")
METRIC_MESSAGING_PROCESS_MESSAGES: Final = Metric("messaging.process.messages", "{message}", "Messages delivered to a callback.")
METRIC_GEN_AI_CLIENT_OPERATION_DURATION: Final = Metric("gen_ai.client.operation.duration", "s", "Time the engine worked on one operation, without its caller's pauses.", BUCKETS_DURATION)
METRIC_SPEECH_STAGE_DURATION: Final = Metric(SPEECH + "stage.duration", "s", "Duration of one step inside an engine, without that of steps inside it.", BUCKETS_DURATION)
METRIC_SPEECH_REAL_TIME_FACTOR: Final = Metric(SPEECH + "real_time_factor", "1", "Engine time divided by audio time: below 1 is faster than real time.", BUCKETS_REAL_TIME_FACTOR)
METRIC_SPEECH_AUDIO_DURATION: Final = Metric(SPEECH + "audio.duration", "s", "Duration of the audio that was transcribed or synthesized.", BUCKETS_AUDIO_DURATION)
METRIC_PROCESS_UPTIME: Final = Metric("process.uptime", "s", "Time since the process started; it grows for as long as somebody reports.")
METRIC_VOXTRACE_PROCESS_MEMORY_LIMIT: Final = Metric("voxtrace.process.memory.limit", "By", "Memory that the process may use. Its control group's, else the machine's.")
METRIC_VOXTRACE_PROCESS_CPU_LIMIT: Final = Metric("voxtrace.process.cpu.limit", "{cpu}", "Processors that the process may use at once. Its control group's, else those that it may run on.")
METRIC_SPEECH_QUALITY_FLAGS: Final = Metric(SPEECH + "quality.flags", "{flag}", "Verdicts that failed, on audio, transcripts, translations and synthesized speech.")
METRIC_HW_GPU_UTILIZATION: Final = Metric("hw.gpu.utilization", "1", "Share of the last second or less in which the GPU worked.")
METRIC_HW_GPU_MEMORY_USAGE: Final = Metric("hw.gpu.memory.usage", "By", "GPU memory in use, by whomever.")
METRIC_HW_GPU_MEMORY_LIMIT: Final = Metric("hw.gpu.memory.limit", "By", "GPU memory that there is.")
METRIC_SPEECH_AUDIO_SIZE: Final = Metric(SPEECH + "audio.size", "By", "Size of uploaded files.", BUCKETS_SIZE)
METRIC_SPEECH_MODEL_LOAD_DURATION: Final = Metric(SPEECH + "model.load.duration", "s", "Time it took to load a model.", BUCKETS_DURATION)
METRIC_SPEECH_MODEL_LOADED: Final = Metric(SPEECH + "model.loaded", "{model}", "Models in memory.")
METRIC_SPEECH_WORDS: Final = Metric(SPEECH + "words", "{word}", "Words that were heard, went into a translation, or were spoken.")
METRIC_SPEECH_CHARACTERS: Final = Metric(SPEECH + "characters", "{character}", "Characters that were heard, went into a translation, or were spoken.")
METRIC_SPEECH_SEGMENTS: Final = Metric(SPEECH + "segments", "{segment}", "Segments that were heard.")
METRIC_SPEECH_LANGUAGE_PROBABILITY: Final = Metric(SPEECH + "language.probability", "1", "How sure engines were of the language they heard.", BUCKETS_PROBABILITY)
METRIC_SPEECH_LANGUAGE_MISMATCHES: Final = Metric(SPEECH + "language.mismatches", "{mismatch}", "Transcriptions in another language than was asked for.")
METRIC_SPEECH_TTS_TIME_TO_FIRST_AUDIO: Final = Metric(SPEECH + "tts.time_to_first_audio", "s", "Time from the text to the first sound, where an engine speaks piece by piece.", BUCKETS_DURATION)
METRIC_SPEECH_TTS_DURATION: Final = Metric(SPEECH + "tts.duration", "s", "Time it took to speak, by how much there was to say.", BUCKETS_DURATION)
METRIC_SPEECH_TTS_VOICES_ACTIVE: Final = Metric(SPEECH + "tts.voices.active", "{voice}", "Voices that were used in the last five minutes.")
METRIC_SPEECH_ERRORS: Final = Metric(SPEECH + "errors", "{error}", "Errors that no span shows, counted by `record_error`.")
METRIC_SPEECH_USAGE_AUDIO: Final = Metric(SPEECH + "usage.audio", "s", "Audio that was listened to or made, by its samples; failed attempts too.")
METRIC_SPEECH_USAGE_CHARACTERS: Final = Metric(SPEECH + "usage.characters", "{character}", "Characters that were translated or spoken; failed attempts too.")
METRIC_SPEECH_USAGE_COMPUTE_TIME: Final = Metric(SPEECH + "usage.compute.time", "s", "Time that engines worked; failed attempts too.")
METRIC_SPEECH_USAGE_COST: Final = Metric(SPEECH + "usage.cost", "{currency}", "What work cost, by the price table in force when it ended; failed attempts too.")
