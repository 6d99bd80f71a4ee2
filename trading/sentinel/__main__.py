"""`python -m trading.sentinel`: watch every lead account until SIGTERM."""

from __future__ import annotations

import os


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obscura.settings.local")
    import django

    from obscura.core import log

    django.setup()
    log.configure("sentinel")

    import uvloop

    from trading.sentinel import supervisor

    uvloop.run(supervisor.main())


if __name__ == "__main__":
    main()
