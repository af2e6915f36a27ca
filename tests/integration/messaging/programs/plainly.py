"""
Another program here, traced as the OpenTelemetry SDK and the official instrumentation trace it.

Usage: plainly.py PROGRAM ARGUMENT...
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from opentelemetry.instrumentation.pika import PikaInstrumentor
from opentelemetry.sdk._configuration import _OTelSDKConfigurator

_OTelSDKConfigurator().configure()
PikaInstrumentor().instrument()
sys.argv = sys.argv[1:]
runpy.run_path(str(Path(__file__).with_name(f"{sys.argv[0]}.py")), run_name="__main__")
