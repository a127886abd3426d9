"""Output: tables, plots and pages, and the atomic writing of files and folders."""

import logging

# At its import matplotlib warns on stderr where no folder is writable for its caches, without which
# it works, only slower to load. A level that the user has set is left as it is.
_matplotlib_log = logging.getLogger("matplotlib")
if _matplotlib_log.level == logging.NOTSET:
    _matplotlib_log.setLevel(logging.ERROR)
