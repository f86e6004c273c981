"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

ordinary = get_wsgi_application()

from portal import urls  # noqa: E402, F401 - models can be imported only now; views load before requests
from portal.core.api import lane  # noqa: E402 - as above
from predictions.services import serving  # noqa: E402 - as above

serving.quality.start()
application = lane.before(ordinary)
