"""A Talos cluster: secrets, one machine configuration per node, bootstrap, health, credentials."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import pulumi
import pulumi_proxmoxve as proxmox
import pulumiverse_talos as talos

from components.options import child_options
from components.talos.patches import machine_patches, render
from components.talos.plan import ClusterPlan, configuration_type
from components.talos.schematics import installer_image
from model.cluster import NodePlan, SchematicName

_Credentials = TypeVar("_Credentials")

HEALTH_FUNCTION = "talos:cluster/getHealth:getHealth"
HEALTH_TIMEOUT = "10m"
"""A first boot pulls every image over the lab's one Internet line."""
KUBECONFIG_TIMEOUT = "1m"


class TalosCluster(pulumi.ComponentResource):
    """Every node configured, etcd bootstrapped once, the cluster healthy."""

    kubeconfig: pulumi.Output[str]
    """For the API at the virtual IP, with an administrator's certificate. Known once the cluster is healthy; secret."""
    talosconfig: pulumi.Output[str]
    """For talosctl; secret."""
    context: str
    """Name of the kubeconfig's context, as Talos gives it."""
    endpoint: pulumi.Output[str]
    """URL of the Kubernetes API."""
    configurations: Mapping[str, talos.machine.ConfigurationApply]
    """What each node was configured with, by the node's logical name."""

    def __init__(
        self,
        name: str,
        *,
        plan: ClusterPlan,
        schematic_ids: Mapping[SchematicName, pulumi.Output[str]],
        machines: Mapping[str, proxmox.VmLegacy],
        protect_secrets: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`machines` are the VMs by the nodes' logical names; bare machines have none.

        `protect_secrets` keeps `destroy` from losing the keys of a cluster that is still wanted.
        """
        super().__init__("lab:talos:TalosCluster", name, None, opts)
        self._opts = opts
        self._plan = plan
        self.context = f"admin@{plan.name}"
        self._secrets = talos.machine.Secrets(
            "secrets",
            talos_version=plan.release.talos,
            opts=self._child(
                pulumi.ResourceOptions(
                    protect=protect_secrets or None,
                    additional_secret_outputs=["machineSecrets", "clientConfiguration"],
                )
            ),
        )
        self.configurations = {
            node.logical_name: self._configure(
                node, schematic_ids[node.schematic.name], machines.get(node.logical_name)
            )
            for node in plan.nodes
        }
        healthy = self._health(self._bootstrap())
        self.talosconfig = self._talosconfig()
        self.kubeconfig = self._kubeconfig(healthy)
        self.endpoint = pulumi.Output.from_input(plan.endpoint)
        self.register_outputs(
            {"kubeconfig": self.kubeconfig, "talosconfig": self.talosconfig, "endpoint": self.endpoint}
        )

    def _child(self, own: pulumi.ResourceOptions | None = None) -> pulumi.ResourceOptions:
        return child_options(self, self._opts, own)

    def _configure(
        self, node: NodePlan, schematic_id: pulumi.Output[str], machine: proxmox.VmLegacy | None
    ) -> talos.machine.ConfigurationApply:
        configuration = talos.machine.get_configuration_output(
            cluster_name=self._plan.name,
            cluster_endpoint=self._plan.endpoint,
            machine_type=configuration_type(node),
            machine_secrets=self._secrets.machine_secrets.apply(_machine_secrets),
            kubernetes_version=self._plan.release.kubernetes,
            talos_version=self._plan.release.talos,
            config_patches=schematic_id.apply(lambda known: self._patches(node, known)),
            docs=False,
            examples=False,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        return talos.machine.ConfigurationApply(
            f"configuration-{node.logical_name}",
            node=str(node.address),
            endpoint=str(node.address),
            client_configuration=self._credentials(talos.machine.ClientConfigurationArgs),
            machine_configuration_input=configuration.machine_configuration,
            on_destroy=_release_metal() if machine is None else None,
            opts=self._child(
                pulumi.ResourceOptions.merge(
                    pulumi.ResourceOptions(additional_secret_outputs=["clientConfiguration"]), _follow(machine)
                )
            ),
        )

    def _patches(self, node: NodePlan, schematic_id: str) -> list[str]:
        installer = installer_image(node, schematic_id, self._plan.release.talos)
        return render(machine_patches(self._plan, node, installer))

    def _bootstrap(self) -> talos.machine.Bootstrap:
        """On the first control-plane node's own address: before bootstrap nobody holds the virtual IP."""
        first = self._plan.control_planes[0]
        return talos.machine.Bootstrap(
            "bootstrap",
            node=str(first.address),
            endpoint=str(first.address),
            client_configuration=self._credentials(talos.machine.ClientConfigurationArgs),
            opts=self._child(
                pulumi.ResourceOptions(
                    depends_on=self._configurations_of(self._plan.control_planes),
                    additional_secret_outputs=["clientConfiguration"],
                )
            ),
        )

    def _health(self, bootstrap: talos.machine.Bootstrap) -> pulumi.Output[bool]:
        """True once every node is up and etcd answers.

        A preview does not ask: it changes nothing, and a lab that is broken must be able to plan its own repair.
        """
        if pulumi.runtime.is_dry_run():
            return pulumi.Output.from_input(True)
        made = [bootstrap, *self._configurations_of(self._plan.nodes)]
        ready = pulumi.Output.all(*(resource.id for resource in made))
        credentials = ready.apply(lambda _: self._secrets.client_configuration)
        return pulumi.Output.unsecret(credentials.apply(self._ask_health))

    async def _ask_health(self, credentials: talos.machine.outputs.ClientConfiguration) -> bool:
        """True when the cluster is healthy, else RunError: Pulumi shows that one without a traceback."""
        control_planes = [str(node.address) for node in self._plan.control_planes]
        try:
            await pulumi.runtime.invoke_async(
                HEALTH_FUNCTION,
                {
                    "clientConfiguration": {
                        "caCertificate": credentials.ca_certificate,
                        "clientCertificate": credentials.client_certificate,
                        "clientKey": credentials.client_key,
                    },
                    "endpoints": control_planes,
                    "controlPlaneNodes": control_planes,
                    "workerNodes": [str(node.address) for node in self._plan.workers],
                    # The engine removes a node that leaves only after the program has ended; until then Kubernetes'
                    # checks would refuse it for not being in the list. Who installs on the cluster waits for nodes.
                    "skipKubernetesChecks": True,
                    "timeouts": {"read": HEALTH_TIMEOUT},
                },
                pulumi.InvokeOptions(parent=self),
            )
        except Exception as error:
            reason = str(error).rsplit(" returned an error: ", 1)[-1]
            raise pulumi.RunError(f"cluster {self._plan.name} did not become healthy: {reason}") from error
        return True

    def _talosconfig(self) -> pulumi.Output[str]:
        configuration = talos.client.get_configuration_output(
            cluster_name=self._plan.name,
            client_configuration=self._credentials(talos.client.GetConfigurationClientConfigurationArgs),
            endpoints=[str(node.address) for node in self._plan.control_planes],
            nodes=[str(node.address) for node in self._plan.nodes],
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        return pulumi.Output.secret(configuration.talos_config)

    def _kubeconfig(self, healthy: pulumi.Output[bool]) -> pulumi.Output[str]:
        """Asked of the first control-plane node through the virtual IP, which proves that somebody holds it."""
        node = str(self._plan.control_planes[0].address)
        kubeconfig = talos.cluster.Kubeconfig(
            "kubeconfig",
            node=healthy.apply(lambda _: node),
            endpoint=str(self._plan.virtual_ip),
            client_configuration=self._credentials(talos.cluster.KubeconfigClientConfigurationArgs),
            timeouts=talos.cluster.KubeconfigTimeoutsArgs(create=KUBECONFIG_TIMEOUT),
            opts=self._child(
                pulumi.ResourceOptions(
                    depends_on=self._configurations_of(self._plan.control_planes),
                    additional_secret_outputs=["clientConfiguration", "kubernetesClientConfiguration"],
                )
            ),
        )
        return pulumi.Output.secret(kubeconfig.kubeconfig_raw)

    def _credentials(self, kind: Callable[..., _Credentials]) -> pulumi.Output[_Credentials]:
        """The Talos administrator's certificate, in the type that one resource or function takes it; secret."""
        return self._secrets.client_configuration.apply(
            lambda made: kind(
                ca_certificate=made.ca_certificate,
                client_certificate=made.client_certificate,
                client_key=made.client_key,
            )
        )

    def _configurations_of(self, nodes: Sequence[NodePlan]) -> list[talos.machine.ConfigurationApply]:
        return [self.configurations[node.logical_name] for node in nodes]


def _follow(machine: proxmox.VmLegacy | None) -> pulumi.ResourceOptions:
    """A VM that is made anew has lost its configuration, so the configuration is applied anew with it.

    `replace_with` sees a replacement. The hardware address, which Proxmox draws for each new VM, sees a VM that was
    removed by hand and created again: the provider itself asks no machine whether it still has its configuration.
    """
    if machine is None:
        return pulumi.ResourceOptions()
    hardware_address = machine.network_devices.apply(lambda devices: devices[0].mac_address if devices else None)
    return pulumi.ResourceOptions(depends_on=[machine], replace_with=[machine], replacement_trigger=hardware_address)


def _release_metal() -> talos.machine.ConfigurationApplyOnDestroyArgs:
    """Give a bare machine back empty, waiting for its installer, so that the other colour can take it.

    Not gracefully: a worker would wait for its pods to be evicted by a cluster that may be gone already.
    """
    return talos.machine.ConfigurationApplyOnDestroyArgs(reset=True, graceful=False, reboot=True)


def _machine_secrets(made: talos.machine.outputs.MachineSecretsResult) -> talos.machine.MachineSecretsArgs:
    """The generated secrets as an argument: the SDK has two types for one thing."""

    def pair(certificate: talos.machine.outputs.CertificateResult) -> talos.machine.CertificateArgs:
        return talos.machine.CertificateArgs(cert=certificate.cert, key=certificate.key)

    return talos.machine.MachineSecretsArgs(
        certs=talos.machine.CertificatesArgs(
            etcd=pair(made.certs.etcd),
            k8s=pair(made.certs.k8s),
            k8s_aggregator=pair(made.certs.k8s_aggregator),
            k8s_serviceaccount=talos.machine.KeyArgs(key=made.certs.k8s_serviceaccount.key),
            os=pair(made.certs.os),
        ),
        cluster=talos.machine.ClusterArgs(id=made.cluster.id, secret=made.cluster.secret),
        secrets=talos.machine.KubernetesSecretsArgs(
            bootstrap_token=made.secrets.bootstrap_token,
            secretbox_encryption_secret=made.secrets.secretbox_encryption_secret,
            aescbc_encryption_secret=made.secrets.aescbc_encryption_secret,
        ),
        trustdinfo=talos.machine.TrustdInfoArgs(token=made.trustdinfo.token),
    )
