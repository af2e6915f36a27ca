"""
The process of one variant: `worker.py VARIANT URL`.

Each line of input is what is asked and a load: `cost` is answered by a number, `attribution` by shares.
"""

from __future__ import annotations

import json
import sys

from attribution import attribution
from variants import Variant, switch_on
from workload import Load, cost

name, url = sys.argv[1:]
switch_on(Variant(name))
ANSWERS = {"cost": cost, "attribution": attribution}
for line in sys.stdin:
    asked, load = json.loads(line)
    sys.stdout.write(json.dumps(ANSWERS[asked](url, Load(**load))) + "\n")
    sys.stdout.flush()
