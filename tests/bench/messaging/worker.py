"""
The process of one variant: `worker.py VARIANT URL`.

Each line of input is a load, answered by its cost.
"""

from __future__ import annotations

import json
import sys

from variants import Variant, switch_on
from workload import Load, cost

name, url = sys.argv[1:]
switch_on(Variant(name))
for line in sys.stdin:
    sys.stdout.write(f"{cost(url, Load(**json.loads(line)))}\n")
    sys.stdout.flush()
