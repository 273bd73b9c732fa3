"""`./lab status`."""

from typing import Any

from rich.markup import escape

from cli.console import print_json, result, table
from cli.session import read_configuration, read_tools, twin_of
from engine.state import EngineError, State
from engine.workspace import STACKS, Target, Workspace, engine_environment
from model.capacity import Claim, HostLoad, guest_claims, host_loads, node_claims
from model.colour import plan_nodes
from model.configuration import Configuration
from model.exclusive import Colour
from model.lab import Lab
from twin.client import Twin, TwinError
from twin.kubernetes.plane_state import PlaneState


def show(target: Target, *, as_json: bool) -> None:
    """Stacks, leases, hosts and clusters as they are; starts and changes nothing."""
    workspace = Workspace()
    lab, configuration = read_configuration(workspace)
    tools = read_tools(target)
    state = State(workspace, engine_environment(workspace, target, tools, {}))
    stacks = [_stack(state, stack) for stack in STACKS]
    standing = [entry["stack"] for entry in stacks if entry["resources"]]
    twin = twin_of(workspace) if target is Target.TWIN else None
    loads = host_loads(lab, _claims(lab, configuration, standing))
    document: dict[str, Any] = {
        "active_colour": configuration.shared.active_colour,
        "stacks": stacks,
        "leases": {lease: configuration.holder(lease) for lease in lab.lease_names},
        "hosts": [_host(load) for load in loads],
        "clusters": _clusters(state, [colour for colour in Colour if colour in standing], twin),
        "twin": None if twin is None else _twin(twin),
    }
    if as_json:
        print_json(document)
        return
    _print(document)


def _claims(lab: Lab, configuration: Configuration, standing: list[str]) -> list[Claim]:
    claims = list(guest_claims(lab)) if "shared" in standing else []
    for colour in Colour:
        if colour in standing:
            claims.extend(node_claims(plan_nodes(lab, configuration, colour)))
    return claims


def _stack(state: State, stack: str) -> dict[str, Any]:
    try:
        return {
            "stack": stack,
            "resources": len(state.resources(stack)),
            "unfinished": [f"{entry.kind} {entry.urn.rsplit('::', 1)[-1]}" for entry in state.pending(stack)],
        }
    except EngineError:
        return {"stack": stack, "resources": 0, "unfinished": []}


def _clusters(state: State, colours: list[Colour], twin: Twin | None) -> list[dict[str, Any]]:
    """Each standing colour: its plane where the twin runs it, and what its API server tells where one can answer."""
    # Imported here: no other command asks a cluster, and its client is slow to load.
    from cli import clusters

    planes: dict[str, dict[str, Any]] = {}
    refusal = ""
    if twin is not None and twin.running() is None:
        refusal = "the twin is stopped"
    elif twin is not None:
        try:
            planes = {plane["name"]: plane for plane in twin.planes()}
        except TwinError as error:
            refusal = str(error)
    kubeconfigs: dict[str, str] = {}
    reports: dict[str, clusters.ClusterReport] = {}
    for colour in colours:
        plane = planes.get(colour)
        reason = refusal
        if not reason and twin is not None and (plane is None or plane["state"] != PlaneState.READY):
            reason = "its control plane is " + ("not there" if plane is None else plane["state"])
        kubeconfig = None if reason else _kubeconfig(state, colour)
        if kubeconfig is None:
            reports[colour] = clusters.ClusterReport(unreachable=reason or "its stack has no kubeconfig")
        else:
            kubeconfigs[colour] = kubeconfig
    reports |= clusters.read(kubeconfigs)
    return [
        {
            "colour": colour,
            "plane": {key: planes[colour][key] for key in ("state", "problems")} if colour in planes else None,
            **reports[colour].model_dump(mode="json"),
        }
        for colour in colours
    ]


def _kubeconfig(state: State, colour: Colour) -> str | None:
    try:
        found = state.output(colour, "kubeconfig")
    except EngineError:
        return None
    return found if isinstance(found, str) else None


def _host(load: HostLoad) -> dict[str, Any]:
    return {
        "host": load.host,
        "memory_mib": load.memory,
        "reserved_mib": load.reserved,
        "claimed_mib": load.memory_claimed,
        "virtual_cpus": load.virtual_cpus_claimed,
        "virtual_cpu_limit": load.virtual_cpu_limit,
        "disk_gib": load.disk,
        "disk_claimed_gib": load.disk_claimed,
        "claims": [{"holder": claim.holder, "group": claim.group, "memory_mib": claim.memory} for claim in load.claims],
    }


def _twin(twin: Twin) -> dict[str, Any]:
    if twin.running() is None:
        return {"running": False}
    return {
        "running": True,
        "machines": twin.machines(),
        "faults": [fault.key for fault in twin.faults()],
    }


def _print(document: dict[str, Any]) -> None:
    stacks = table("Stacks", "stack", "resources", "unfinished")
    for entry in document["stacks"]:
        live = " (live)" if entry["stack"] == document["active_colour"] else ""
        stacks.add_row(entry["stack"] + live, str(entry["resources"]), ", ".join(entry["unfinished"]) or "–")
    result.print(stacks)
    hosts = table("Hosts", "host", "memory MiB", "kept back", "held", "free", "vCPU", "disk GiB", "by")
    for host in document["hosts"]:
        free = host["memory_mib"] - host["reserved_mib"] - host["claimed_mib"]
        groups: dict[str, int] = {}
        for claim in host["claims"]:
            groups[claim["group"]] = groups.get(claim["group"], 0) + claim["memory_mib"]
        hosts.add_row(
            host["host"],
            str(host["memory_mib"]),
            str(host["reserved_mib"]),
            str(host["claimed_mib"]),
            str(free),
            f"{host['virtual_cpus']}/{host['virtual_cpu_limit']}",
            f"{host['disk_claimed_gib']}/{host['disk_gib']}",
            ", ".join(f"{group} {memory}" for group, memory in groups.items()) or "–",
        )
    result.print(hosts)
    leases = table("Leases", "what", "holder")
    for lease, holder in document["leases"].items():
        leases.add_row(lease, holder or "free")
    result.print(leases)
    for cluster in document["clusters"]:
        _print_cluster(cluster)
    twin = document["twin"]
    if twin is not None:
        if not twin["running"]:
            result.print("The twin is stopped.")
        else:
            faults = ", ".join(twin["faults"]) or "none"
            result.print(f"The twin is running, {len(twin['machines'])} machines switched on; faults: {faults}.")


def _print_cluster(cluster: dict[str, Any]) -> None:
    plane = cluster["plane"]
    result.print(f"[bold]{cluster['colour']}[/]" + (f": control plane {plane['state']}" if plane else ""))
    for problem in plane["problems"] if plane else ():
        result.print(f"  {escape(str(problem))}")
    if cluster["unreachable"]:
        result.print(f"  cannot be asked: {escape(cluster['unreachable'])}")
        return
    nodes = cluster["nodes"]
    ready = sum(node["ready"] for node in nodes)
    result.print(f"  {ready} of {len(nodes)} nodes are ready, {len(cluster['troubles'])} objects are not")
    for node in nodes:
        if not node["ready"]:
            result.print(f"  node {node['name']}: {escape(node['why'])}")
    # Lines and no table: a table would cut names and reasons to the terminal's width.
    for trouble in cluster["troubles"]:
        name = f"{trouble['namespace']}/{trouble['name']}" if trouble["namespace"] else trouble["name"]
        why = f": {escape(trouble['why'])}" if trouble["why"] else ""
        result.print(f"  {trouble['kind']} {name} is {trouble['state']}{why}")
