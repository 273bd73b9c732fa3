"""What the twin's daemon is started with."""

import os

from engine.secrets import DevelopmentSecrets
from engine.workspace import Workspace
from tools.build import cache_directory, destination
from tools.recipe import ALL


def daemon_environment(workspace: Workspace) -> dict[str, str]:
    """Where it finds its tools and the secrets of its clusters, whether they are made already or will be."""
    cache = cache_directory()
    folders = [str(destination(recipe, cache)) for recipe in ALL]
    return {
        "PATH": os.pathsep.join([*folders, os.environ.get("PATH", "")]),
        **DevelopmentSecrets.of(workspace).environment(),
    }
