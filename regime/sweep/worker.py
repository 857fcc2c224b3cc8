"""A process that runs batches of cells: tasks come in as lines of JSON, how far they are and their results go out as such.

It ends when there is nothing more to read, or nobody to write to: with the process that started it, however that ends.
"""

import json
import os
import sys


def main() -> None:
    """Run the tasks that come in as lines, until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what anything prints is no answer

    from regime.sweep.work import work

    try:
        for line in sys.stdin:
            task = json.loads(line)
            for item in work(task["configs"], task["at_loss"]):
                answers.write(json.dumps(item) + "\n")
                answers.flush()
    except BrokenPipeError:
        os._exit(1)  # the process that started this one is gone, and what is left to say with it


if __name__ == "__main__":
    main()
