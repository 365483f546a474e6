"""`python -m tests.toy_command ARGUMENTS` is `wsss-assets ARGUMENTS`, with the toys as models."""

from __future__ import annotations

import signal

from tests import activation_toys
from tests.toys import TOYS
from wsss_assets import models
from wsss_assets.cli import main

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells take it from background jobs
    known = {name: make() for name, make in TOYS.items()}
    models._architectures = lambda: known  # type: ignore[assignment]
    models._methods = lambda: activation_toys.METHODS  # type: ignore[assignment]
    main()
