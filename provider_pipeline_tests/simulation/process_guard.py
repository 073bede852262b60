"""Runs a command and ends it when the process that started this one is gone.

A killed test cannot stop its daemon; this process outlives the test just long enough to do so.
"""

import os
import sys
import time

from provider_pipeline.cli.workbench import running


def main(command: list[str]) -> None:
    """Runs the command until it ends, the starter ends, or an interrupt comes."""
    starter = os.getppid()
    with running(command, environment=os.environ) as process:
        try:
            while process.poll() is None and os.getppid() == starter:
                time.sleep(1)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main(sys.argv[1:])
