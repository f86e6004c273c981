"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

from portal.core.api import lane

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = lane.before(get_wsgi_application())
