"""The WSGI application that granian serves."""

import gc
import sys

from portal.ordinary import application as ordinary  # isort: skip - models can be imported only now

from portal.core.api import lane
from predictions.services import serving
from search.services import following

#: How long a thread that computes keeps the others waiting, in seconds; Python's own 5 ms, several
#: times in a row, are what the slowest answers wait for. Ours; measured in docs/performance.md.
SWITCH_S = 0.0005

serving.quality.start()
following.start()
application = lane.before(ordinary)
sys.setswitchinterval(SWITCH_S)
# All that is loaded stays: looking for rubbish in it would hold up every request.
gc.collect()
gc.freeze()
