"""Cilium's installation: the Job that Talos creates at bootstrap brings the operator, which brings its definitions."""

import asyncio
from typing import Final

from twin.kubernetes.api import Object
from twin.kubernetes.custom_resources import bundle
from twin.operators.cluster import Kind
from twin.operators.controller import Controller
from twin.operators.load_balancers import CILIUM

JOB: Final = Kind("batch/v1", "Job")
INSTALLER: Final = ("kube-system", "cilium-install")


class CiliumInstaller(Controller):
    """Installs Cilium's custom resource definitions once its installer is there."""

    operator = CILIUM
    kind = JOB

    async def reconcile(self, found: Object) -> None:
        """The definitions; every other Job is no business of Cilium."""
        if (found["metadata"]["namespace"], found["metadata"]["name"]) != INSTALLER:
            return
        for definition in await asyncio.to_thread(bundle, "cilium", self.cluster.around.cache):
            await self.cluster.create(CILIUM, definition)
        await self.tell(found, "Installed", "Cilium's custom resource definitions are there", warning=False)
