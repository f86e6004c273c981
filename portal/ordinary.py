"""Django's own application with its middleware and addresses; making it begins nothing.

So the web server makes it before it forks its workers, which then share it.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = get_wsgi_application()

from portal import urls  # noqa: E402, F401 - models can be imported only now; views load before requests
