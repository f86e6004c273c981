"""The web server: granian, whose workers are forks of a process that has loaded the application.

A worker that replaces a lost one answers after a fraction of what loading takes, and all of them
share the memory of what was loaded. Nothing that a fork would break is begun here: no connection
and no watcher of the registry; `portal.wsgi` begins them in each worker.

    python -m portal.web [options of granian] portal.wsgi:application
"""

import gc
import sys

from granian.cli import entrypoint


def load() -> None:
    """Load what every worker needs, and take it out of the collector's sight.

    A collection writes to what it looks at, and so would copy the pages that workers share. The
    libraries of the search engine are part of it: a worker that loads them itself has 30 MB more.
    """
    from portal import ordinary  # noqa: F401, PLC0415 - sets Django up
    from search.services import opening, spilling  # noqa: F401, PLC0415 - models come with it

    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    load()
    sys.argv[0] = "granian"
    entrypoint()  # type: ignore[no-untyped-call]  # granian's command line has no types
