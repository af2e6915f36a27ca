"""What the processes and their GPUs use."""

from __future__ import annotations

import chart
from board import Board
from promql import Query, of, rate, total

WHO = "{{job}} {{instance}}"
GPU = "no GPU"
CARD = "{{hw_name}} {{hw_id}}"


def board() -> Board:
    """Return the dashboard."""
    return (
        Board(
            "voxtrace-resources",
            "Resources",
            "CPU, memory, threads, files and disk of every service, and the GPUs.",
            source="process_memory_usage_bytes",
        )
        .row("Processes", *_processes())
        .row("GPUs", *_cards())
    )


def _processes() -> tuple[chart.Panel, ...]:
    return (
        chart.lines(
            "CPU",
            "Part of the processors that each process may use: its container's limit, else the machine's.",
            Query(of("instance:cpu:ratio5m"), WHO),
            unit="percentunit",
            bound=0.8,
        ),
        chart.lines(
            "CPU time by state",
            "Seconds of CPU per second: 'system' that rises beside 'user' is copying and waiting.",
            Query(rate("process_cpu_time_seconds_total", by="job, type"), "{{job}} {{type}}"),
            unit="short",
            stacked=True,
        ),
        chart.lines(
            "Memory, part of what it may use",
            "Of its container's limit, else of the machine's: at 1 the kernel ends it.",
            Query(of("instance:memory:ratio"), WHO),
            unit="percentunit",
            bound=0.85,
        ),
        chart.lines(
            "Memory",
            "Physical memory: models are most of it.",
            Query(of("process_memory_usage_bytes"), WHO),
            unit="bytes",
        ),
        chart.lines(
            "Virtual memory",
            "Memory that was asked for, used or not.",
            Query(of("process_memory_virtual_bytes"), WHO),
            unit="bytes",
        ),
        chart.lines(
            "Threads",
            "What only ever rises is a leak.",
            Query(of("process_thread_count"), WHO),
            unit="short",
        ),
        chart.lines(
            "Open files",
            "File descriptors, sockets among them: what only ever rises is a leak.",
            Query(of("process_open_file_descriptor_count"), WHO),
            unit="short",
        ),
        chart.lines(
            "Disk",
            "Bytes that each service reads and writes per second.",
            Query(rate("process_disk_io_bytes_total", by="job, direction"), "{{job}} {{direction}}"),
            unit="Bps",
        ),
        chart.lines(
            "Instances",
            "Processes of each service that report.",
            Query(f"count by (job) ({of('instance:alive')})", "{{job}}"),
            unit="short",
        ),
        chart.lines(
            "Uptime",
            "Time since each process started; a saw-tooth is a process that crashes.",
            Query(of("process_uptime_seconds"), WHO),
            unit="s",
            span=24,
        ),
    )


def _cards() -> tuple[chart.Panel, ...]:
    return (
        chart.lines(
            "GPU",
            "Part of the time in which the GPU worked.",
            Query(of("hw_gpu_utilization_ratio"), CARD),
            unit="percentunit",
            nothing=GPU,
        ),
        chart.lines(
            "GPU memory",
            "GPU memory in use, by whomever.",
            Query(of("hw_gpu_memory_usage_bytes"), CARD),
            Query(of("hw_gpu_memory_limit_bytes"), f"all of {CARD}"),
            unit="bytes",
            nothing=GPU,
        ),
        chart.lines(
            "GPU memory, part of all",
            "Near 1 the next model does not fit.",
            Query(
                f"{total('hw_gpu_memory_usage_bytes', by='hw_id')} / "
                f"{total('hw_gpu_memory_limit_bytes', by='hw_id')}",
                "{{hw_id}}",
            ),
            unit="percentunit",
            bound=0.9,
            nothing=GPU,
        ),
    )
