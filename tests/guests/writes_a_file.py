"""A module that writes a file when it is imported: nothing may import it because a file names it."""

import os
from pathlib import Path

Path(os.environ["WRITES_A_FILE"]).write_text("imported")
