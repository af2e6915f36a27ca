"""Speech itself: speed, words, voices, quality, languages."""

from __future__ import annotations

import chart
from board import Board
from promql import Query, heat, mean, of, quantile, rate

RTF = "speech_real_time_factor"
LISTEN = 'gen_ai_operation_name="speech_to_text"'
SPEAK = 'gen_ai_operation_name="text_to_speech"'
MODEL = "gen_ai_operation_name, gen_ai_request_model"
MODEL_NAME = "{{gen_ai_operation_name}} {{gen_ai_request_model}}"
WORDS = "speech_tts_duration_seconds"


def board() -> Board:
    """Return the dashboard."""
    return (
        Board(
            "voxtrace-speech",
            "Speech",
            "How fast engines are beside the speech itself, how much there is to say, in which "
            "voices and languages, how well.",
            source='{__name__=~"speech_real_time_factor_count|speech_words_total"}',
        )
        .row("Speed", *_speed())
        .row("Words", *_words())
        .row("Voices compared", *_voices())
        .row("Quality", *_quality())
        .row("Languages", *_languages())
    )


def _speed() -> tuple[chart.Panel, ...]:
    in_time = rate(f"{RTF}_bucket", 'le=~"1|1.0"', by=MODEL)
    return (
        chart.lines(
            "Real-time factor",
            "Engine time by audio time: above 1 the engine falls behind someone who speaks.",
            Query(quantile(0.5, RTF, by=MODEL), f"p50 {MODEL_NAME}"),
            Query(quantile(0.95, RTF, by=MODEL), f"p95 {MODEL_NAME}", exemplars=True),
            unit="short",
            bound=1,
        ),
        chart.heat(
            "Real-time factors",
            "How many pieces had which real-time factor.",
            Query(heat(RTF), "{{le}}"),
            unit="short",
        ),
        chart.lines(
            "Faster than real time",
            "Part of the pieces that took less time than their audio lasts.",
            Query(f"{in_time} / {rate(f'{RTF}_count', by=MODEL)}", MODEL_NAME),
            unit="percentunit",
        ),
        chart.lines(
            "Audio",
            "Seconds of audio heard and made per second.",
            Query(
                rate("speech_usage_audio_seconds_total", by="gen_ai_operation_name"),
                "{{gen_ai_operation_name}}",
            ),
            unit="short",
        ),
        chart.heat(
            "Length of recordings",
            "How many recordings were how long.",
            Query(heat("speech_audio_duration_seconds", LISTEN), "{{le}}"),
            unit="s",
        ),
        chart.lines(
            "First sound",
            "Time from the text to the first sound, of engines that speak piece by piece.",
            Query(
                quantile(0.95, "speech_tts_time_to_first_audio_seconds", by="speech_tts_voice"),
                "p95 {{speech_tts_voice}}",
            ),
            unit="s",
            nothing="no engine here speaks piece by piece",
        ),
    )


def _words() -> tuple[chart.Panel, ...]:
    does = "{{gen_ai_operation_name}}"
    return (
        chart.heat(
            "Time to speak, by number of words",
            "A row for each range of words, the brighter the longer it took on average: long texts "
            "should be the bright ones.",
            Query(mean(WORDS, by="speech_tts_word_range"), "{{speech_tts_word_range}} words"),
            unit="s",
            span=12,
            rows=True,
        ),
        chart.heat(
            "Texts, by number of words",
            "A row for each range of words, the brighter the more texts of that length were spoken.",
            Query(
                f"sum by (speech_tts_word_range) (increase({of(f'{WORDS}_count')}[$__rate_interval]))",
                "{{speech_tts_word_range}} words",
            ),
            unit="short",
            span=12,
            rows=True,
        ),
        chart.lines(
            "Words",
            "Words heard, translated and spoken per second.",
            Query(rate("speech_words_total", by="gen_ai_operation_name"), does),
            unit="short",
        ),
        chart.lines(
            "Characters",
            "Characters heard, translated and spoken per second.",
            Query(rate("speech_characters_total", by="gen_ai_operation_name"), does),
            unit="short",
        ),
        chart.lines(
            "Words per second of audio",
            "How fast people speak: far off two to three, a transcript is suspect.",
            Query(
                f"{rate('speech_words_total', LISTEN)} / {rate('speech_audio_duration_seconds_sum', LISTEN)}",
                "heard",
            ),
            Query(
                f"{rate('speech_words_total', SPEAK)} / {rate('speech_audio_duration_seconds_sum', SPEAK)}",
                "spoken",
            ),
            unit="short",
        ),
    )


def _voices() -> tuple[chart.Panel, ...]:
    by = "speech_tts_voice"
    voice = "{{speech_tts_voice}}"
    return (
        chart.bars(
            "Real-time factor by voice",
            "Engine time by time of speech, on average, voice beside voice.",
            Query(mean(RTF, SPEAK, by=by), voice),
            unit="short",
        ),
        chart.bars(
            "Characters per second of engine time",
            "How much each voice gets said in a second of work.",
            Query(
                f"{rate('speech_usage_characters_total', SPEAK, by=by)} / "
                f"{rate('speech_usage_compute_time_seconds_total', SPEAK, by=by)}",
                voice,
            ),
            unit="short",
        ),
        chart.lines(
            "Time to speak by voice",
            "95 of 100 texts are spoken faster.",
            Query(quantile(0.95, WORDS, by=by), f"p95 {voice}", exemplars=True),
            unit="s",
        ),
    )


def _quality() -> tuple[chart.Panel, ...]:
    flags = "speech_quality_flags_total"
    by = "speech_quality_flag_name, gen_ai_operation_name"
    done = rate("gen_ai_client_operation_duration_seconds_count", by="gen_ai_operation_name")
    return (
        chart.lines(
            "Quality flags",
            "Verdicts that failed, per second: on recordings (noise, clipping), transcripts, "
            "translations and speech.",
            Query(
                f"{rate(flags, by=by)} or {done} * 0",
                "{{gen_ai_operation_name}} {{speech_quality_flag_name}}",
            ),
            unit="ops",
            span=12,
        ),
        chart.lines(
            "Flags per piece of work",
            "Flags by what was worked on: rising at an even load means that recordings, or a model, "
            "got worse.",
            Query(
                f"({rate(flags, by='gen_ai_operation_name')} or {done} * 0) / {done}",
                "{{gen_ai_operation_name}}",
            ),
            unit="short",
            span=12,
        ),
    )


def _languages() -> tuple[chart.Panel, ...]:
    done = "gen_ai_client_operation_duration_seconds_count"
    pair = "speech_translation_source_language, speech_translation_target_language"
    return (
        chart.lines(
            "Languages heard",
            "Transcripts per second by their language.",
            Query(rate(done, LISTEN, by="speech_asr_language"), "{{speech_asr_language}}"),
            unit="ops",
            span=6,
        ),
        chart.lines(
            "Languages translated",
            "Translations that an engine made per second, from and to; what the cache had is not among them.",
            Query(
                rate(done, 'gen_ai_operation_name="translate"', by=pair),
                "{{speech_translation_source_language}} to {{speech_translation_target_language}}",
            ),
            unit="ops",
            span=6,
        ),
        chart.lines(
            "How sure of the language",
            "Half of the recordings are below: of models that detect the language.",
            Query(
                quantile(0.5, "speech_language_probability", by="gen_ai_request_model"),
                "p50 {{gen_ai_request_model}}",
            ),
            unit="percentunit",
            span=6,
            nothing="no model here detects languages",
        ),
        chart.lines(
            "Another language than asked for",
            "Transcripts in another language than the caller named, per second.",
            Query(
                rate("speech_language_mismatches_total", by="speech_language_requested, speech_asr_language"),
                "{{speech_language_requested}} was {{speech_asr_language}}",
            ),
            unit="ops",
            span=6,
            nothing="none",
        ),
    )
