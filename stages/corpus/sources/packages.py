"""Sources of the first kind: archives of a package registry, named ``name==version``."""

from __future__ import annotations

import os
from pathlib import Path

from ...common.errors import IO_FAILED, UserError


def fetch_archive(requirement: str, file_name: str, folder: Path) -> Path:
    """Download one file of ``name==version`` from the package index, with a progress bar.

    The index is the public one, or PIP_INDEX_URL where a mirror must be used.
    """
    import requests
    from pypi_simple import (
        PYPI_SIMPLE_ENDPOINT,
        NoSuchProjectError,
        PyPISimple,
        tqdm_progress_factory,
    )

    name = requirement.split("==")[0]
    target = folder / file_name
    try:
        with PyPISimple(os.environ.get("PIP_INDEX_URL") or PYPI_SIMPLE_ENDPOINT) as index:
            adapter = requests.adapters.HTTPAdapter(max_retries=3)
            index.s.mount("https://", adapter)
            files = {p.filename: p for p in index.get_project_page(name, timeout=60).packages}
            if file_name not in files:
                raise UserError(f"the package index no longer offers {file_name}: it was "
                                f"withdrawn. Choose another version in params.yaml and run "
                                f"`python -m stages.download --relock`")
            index.download_package(files[file_name], target, verify=True, timeout=60,
                                   progress=tqdm_progress_factory(desc=file_name))
    except NoSuchProjectError as error:
        raise UserError(f"the package index knows no {name!r}") from error
    except requests.RequestException as error:
        raise UserError(f"cannot fetch {requirement}: {type(error).__name__}. Check the network "
                        "(or set PIP_INDEX_URL to a mirror) and run again; what is already "
                        "fetched is kept", IO_FAILED) from error
    return target
