"""`./lab twin`: the emulated lab by hand."""

from importlib import import_module
from typing import Annotated, Any

import typer

from cli.console import complain, print_json, result, table
from cli.exit_code import EXPLANATION, ExitCode
from cli.session import leave, read_tools, start_twin, twin_of
from engine.workspace import Target, Workspace
from twin.client import Twin, TwinError
from twin.faults import Fault, FaultKind

application = typer.Typer(help="The emulated lab: start, stop, look, break.", no_args_is_help=True, epilog=EXPLANATION)
fault = typer.Typer(help="Trouble on demand; it stays until it is cleared.", no_args_is_help=True)
guest = typer.Typer(help="Guests of the emulated Proxmox, behind Pulumi's back.", no_args_is_help=True)
application.add_typer(fault, name="fault")
application.add_typer(guest, name="guest")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for scripts.")]
Times = Annotated[int | None, typer.Option(help="Strike so many calls, then end; without it until cleared.", min=1)]
Calls = Annotated[str, typer.Option(help="Shell pattern over the calls, e.g. 'create cloudflare:*'.")]
Api = Annotated[str, typer.Argument(help="proxmox, talos, cloudflare, gcp or command.")]
ClusterOperator = Annotated[
    str, typer.Argument(help="As docs/twin/operators.md lists them, e.g. argo-cd.", metavar="OPERATOR")
]
Objects = Annotated[str, typer.Option(help="Shell pattern over 'NAMESPACE/NAME' of what it looks after.")]
VmId = Annotated[int, typer.Argument(help="Guest id, e.g. 122.", metavar="VMID")]


def _ask(action: str, twin: Twin | None = None) -> Twin:
    """The running twin; ends the command when there is none."""
    found = twin or twin_of(Workspace())
    if found.running() is None:
        complain(f"The twin is not running, so there is nothing to {action}.", ["  ./lab twin start"])
        leave(ExitCode.TWIN_UNAVAILABLE)
    return found


@application.command()
def start() -> None:
    """Start the daemon; does nothing when it runs."""
    workspace = Workspace()
    workspace.make()
    read_tools(Target.TWIN)
    start_twin(twin_of(workspace))
    result.print("the twin is running")


@application.command()
def stop() -> None:
    """Stop the daemon; the emulated lab stays as it is."""
    try:
        stopped = twin_of(Workspace()).stop()
    except TwinError as error:
        complain("The twin does not stop.", [str(error)])
        leave(ExitCode.TWIN_UNAVAILABLE)
    result.print("the twin is stopped" if stopped else "the twin was not running")


@application.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget the emulated lab and its stacks, as if nothing had ever been applied."""
    if not yes:
        typer.confirm("Forget everything on the twin and the state of its three stacks?", abort=True)
    workspace = Workspace()
    try:
        twin_of(workspace).reset()
    except (TwinError, OSError) as error:
        complain("The twin cannot be reset.", [str(error)])
        leave(ExitCode.TWIN_UNAVAILABLE)
    workspace.forget_state()
    result.print("the twin is as new")


@application.command()
def machines(as_json: AsJson = False) -> None:
    """Every machine that is switched on."""
    found = _ask("list").machines()
    if as_json:
        print_json(found)
        return
    listing = table("Machines", "name", "host", "address", "image")
    for machine in found:
        listing.add_row(machine["name"], machine["host"], machine["address"], machine["image"] or "–")
    result.print(listing)


@fault.command("list")
def list_faults(as_json: AsJson = False) -> None:
    """The faults in force."""
    found = _ask("list").faults()
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in found])
        return
    for entry in found:
        result.print(f"{entry.key}" + (f" ({entry.remaining} more)" if entry.remaining else ""), markup=False)
    if not found:
        result.print("no faults")


@fault.command()
def clear(
    key: Annotated[str | None, typer.Argument(help="As `fault list` prints it; all when left out.")] = None,
) -> None:
    """End faults."""
    result.print(f"{_ask('clear').clear(key)} ended")


def _inject(entry: Fault) -> None:
    _ask("break").inject(entry)
    result.print(f"in force: {entry.key}", markup=False)


@fault.command()
def host_down(host: Annotated[str, typer.Argument(help="Name of the host.")]) -> None:
    """Take the power from a host."""
    _inject(Fault(kind=FaultKind.HOST_DOWN, target=host))


@fault.command()
def api_error(
    api: Api,
    status: Annotated[int, typer.Option(help="HTTP status of the refusal.", min=400, max=599)] = 503,
    calls: Calls = "*",
    times: Times = None,
) -> None:
    """Have an API refuse its calls."""
    _inject(Fault(kind=FaultKind.API_ERROR, target=api, operation=calls, status=status, remaining=times))


@fault.command()
def api_slow(
    api: Api,
    seconds: Annotated[float, typer.Option(help="How much longer a call takes.", min=0.0)] = 2.0,
    calls: Calls = "*",
    times: Times = None,
) -> None:
    """Have an API dawdle."""
    _inject(Fault(kind=FaultKind.API_SLOW, target=api, operation=calls, seconds=seconds, remaining=times))


@fault.command()
def disk_full(target: Annotated[str, typer.Argument(help="HOST/STORAGE, e.g. method/lvm.")]) -> None:
    """Have a storage without any room left."""
    _inject(Fault(kind=FaultKind.DISK_FULL, target=target))


@fault.command()
def provider_killed(api: Api, calls: Calls = "*") -> None:
    """Have the twin's daemon killed in the next such call, once."""
    _inject(Fault(kind=FaultKind.PROVIDER_KILLED, target=api, operation=calls))


@fault.command()
def operator_fails(operator: ClusterOperator, objects: Objects = "*", times: Times = None) -> None:
    """Have a cluster's operator not make ready what it looks after."""
    _break_operator(FaultKind.OPERATOR_FAILS, operator, objects, times)


@fault.command()
def operator_hangs(operator: ClusterOperator, objects: Objects = "*", times: Times = None) -> None:
    """Have a cluster's operator do nothing."""
    _break_operator(FaultKind.OPERATOR_HANGS, operator, objects, times)


def _break_operator(kind: FaultKind, operator: str, objects: str, times: int | None) -> None:
    known = _operators()
    if operator not in known:
        raise typer.BadParameter(f"no such operator; there are {', '.join(sorted(known))}")
    _inject(Fault(kind=kind, target=operator, operation=objects, remaining=times))


def _operators() -> set[str]:
    # Imported here: the operators bring much that no other command needs.
    from twin.operators.controller import Controller

    import_module("twin.operators")  # Every controller, however many modules there are.
    kinds, found = [Controller], set[type[Controller]]()
    while kinds:
        below = kinds.pop().__subclasses__()
        found.update(below)
        kinds.extend(below)
    return {str(kind.operator) for kind in found if hasattr(kind, "operator")}


@guest.command("list")
def list_guests(as_json: AsJson = False) -> None:
    """Guests with their host and state."""
    found = _proxmox("GET", "/cluster/resources?type=vm")
    if as_json:
        print_json(found)
        return
    listing = table("Guests", "id", "name", "host", "state")
    for entry in sorted(found, key=lambda row: row["vmid"]):
        listing.add_row(str(entry["vmid"]), entry.get("name", ""), entry["node"], entry["status"])
    result.print(listing)


@guest.command("delete")
def delete_guest(vm_id: VmId) -> None:
    """Stop and delete a guest."""
    path = _path_of(vm_id)
    _wait(_proxmox("POST", f"{path}/status/stop"))
    _wait(_proxmox("DELETE", path))
    result.print(f"guest {vm_id} is gone")


@guest.command("stop")
def stop_guest(vm_id: VmId) -> None:
    """Switch a guest off."""
    _wait(_proxmox("POST", f"{_path_of(vm_id)}/status/stop"))
    result.print(f"guest {vm_id} is off")


@guest.command("set")
def set_guest(
    vm_id: VmId,
    settings: Annotated[list[str], typer.Argument(help="KEY=VALUE as the Proxmox API takes them, e.g. memory=4096.")],
) -> None:
    """Change a guest's configuration."""
    pairs = dict(setting.split("=", 1) for setting in settings if "=" in setting)
    if len(pairs) != len(settings):
        raise typer.BadParameter("each setting is KEY=VALUE")
    _proxmox("PUT", f"{_path_of(vm_id)}/config", pairs)
    result.print(f"guest {vm_id} is changed")


def _path_of(vm_id: int) -> str:
    hosts = {entry["vmid"]: entry["node"] for entry in _proxmox("GET", "/cluster/resources?type=vm")}
    if vm_id not in hosts:
        complain(f"There is no guest {vm_id}.", ["  ./lab twin guest list"])
        leave(ExitCode.USER_ERROR)
    return f"/nodes/{hosts[vm_id]}/qemu/{vm_id}"


def _wait(task: str) -> None:
    """Until the task has ended; ends the command when it failed."""
    node = task.split(":")[1]
    while True:
        state = _proxmox("GET", f"/nodes/{node}/tasks/{task}/status")
        if state["status"] == "stopped":
            break
    if state["exitstatus"] != "OK":
        complain(f"The task failed: {state['exitstatus']}")
        leave(ExitCode.FAILED)


def _proxmox(method: str, path: str, data: dict[str, str] | None = None) -> Any:
    # Imported here: most commands never speak HTTP.
    import httpx

    environment = _ask("change").environment()
    answer = httpx.request(
        method,
        environment["PROXMOX_VE_ENDPOINT"].rstrip("/") + "/api2/json" + path,
        data=data,
        headers={"Authorization": f"PVEAPIToken={environment['PROXMOX_VE_API_TOKEN']}"},
        verify=_authorities(environment["SSL_CERT_FILE"]),
        timeout=30,
    )
    if answer.is_error:
        complain(f"The emulated Proxmox refused: {answer.status_code} {answer.reason_phrase}", [answer.text])
        leave(ExitCode.FAILED)
    return answer.json()["data"]


def _authorities(path: str) -> Any:
    import ssl

    return ssl.create_default_context(cafile=path)
