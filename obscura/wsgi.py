"""The WSGI application: HTTP alone, for servers that speak nothing else."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obscura.settings.local")

application = get_wsgi_application()
