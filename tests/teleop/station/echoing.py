"""A process for `background`: it answers every line with its own number and the line; at "end" it ends."""

import json
import os
import sys

for line in sys.stdin:
    said = json.loads(line)
    if said == "end":
        sys.exit(3)
    print(json.dumps([os.getpid(), said]), flush=True)
