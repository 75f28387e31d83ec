"""JSON work off your event loop: a client for the workers of offloop-worker.

    import offloop

    async with offloop.connect() as jobs:
        body = await jobs.jq(stored, "map(.margin = 2 * .lot_size)")

See connect() and Jobs; README.md has Tornado, aiohttp and Starlette.
"""
from ._client import Jobs, connect
from ._errors import (JobError, JobLost, JobTimeout, NoWorker, OffloopError, Overloaded,
                      ProtocolError)

__all__ = ["Jobs", "JobError", "JobLost", "JobTimeout", "NoWorker", "OffloopError", "Overloaded",
           "ProtocolError", "connect"]
__version__ = "0.1.0"
