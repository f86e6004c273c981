"""The WSGI application that granian serves."""

import gc
import os
import sys

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

ordinary = get_wsgi_application()

from portal import urls  # noqa: E402, F401 - models can be imported only now; views load before requests
from portal.core.api import lane  # noqa: E402 - as above
from predictions.services import serving  # noqa: E402 - as above
from search.services import following  # noqa: E402 - as above

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
