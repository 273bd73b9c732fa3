"""Runs the program for an engine that is told where to find it: `python -m engine.language_runtime MODULE…`.

An engine that starts the program itself first asks `pip` for a list of all packages, then waits for the interpreter and
all imports. This process imports the named modules while the engine starts, and serves it one or more runs. Its port is
the first line that it prints. It ends when its standard input does: when whoever started it and the engine are gone.
"""

# ruff: noqa: ARG002, N802 - names and arguments of the methods are the protocol's

import gc

# A program allocates, registers and exits; looking for garbage meanwhile costs a fifth of its time.
gc.disable()

import asyncio  # noqa: E402
import contextvars  # noqa: E402
import importlib  # noqa: E402
import importlib.metadata  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import runpy  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402

import grpc  # noqa: E402
import pulumi  # noqa: E402
from pulumi.runtime import reset_options, run_in_stack, set_all_config  # noqa: E402
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2  # noqa: E402

ENTRY = "__main__.py"
"""Of the program, in the project's folder."""


class LanguageRuntime(language_pb2_grpc.LanguageRuntimeServicer):
    """What the engine asks of a language; each run is the project's `__main__.py`."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._imported = threading.Thread(target=_import, args=(modules,), daemon=True)

    def begin(self) -> None:
        """Import what the program will want."""
        self._imported.start()

    def Handshake(self, request: object, context: object) -> language_pb2.LanguageHandshakeResponse:
        """There is nothing to agree about."""
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: object, context: object) -> plugin_pb2.PluginInfo:
        """It has no version of its own."""
        return plugin_pb2.PluginInfo()

    def GetRequiredPackages(
        self, request: object, context: object
    ) -> language_pb2.GetRequiredPackagesResponse:
        """The providers of the installed SDKs."""
        return language_pb2.GetRequiredPackagesResponse(packages=list(required_packages(sys.path)))

    def Run(self, request: language_pb2.RunRequest, context: object) -> language_pb2.RunResponse:
        """Run the program to its end."""
        self._imported.join()
        # The SDK keeps its state in context variables: a run after another (an update after its preview) has its own.
        return contextvars.copy_context().run(_run, request)


def required_packages(search_path: Sequence[str]) -> Iterator[plugin_pb2.PackageDependency]:
    """The providers that the installed SDKs name, as the engine would install them on hardware."""
    for folder in search_path:
        for description in sorted(Path(folder).glob("pulumi*/pulumi-plugin.json")):
            plugin = json.loads(description.read_text())
            if plugin.get("resource"):
                yield plugin_pb2.PackageDependency(
                    name=plugin["name"],
                    kind="resource",
                    version=plugin.get("version") or importlib.metadata.version(description.parent.name),
                    server=plugin.get("server", ""),
                )


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:  # noqa: BLE001 - the run imports it again, and there the engine hears what is wrong
            return


def _run(request: language_pb2.RunRequest) -> language_pb2.RunResponse:
    reset_options(
        project=request.project,
        stack=request.stack,
        organization=request.organization or "organization",
        monitor_address=request.monitor_address,
        engine_address=request.args[0],
        parallel=request.parallel,
        preview=request.dryRun,
    )
    set_all_config(dict(request.config), list(request.configSecretKeys))
    # Pulumi's own host hands the configuration over like this, and the program may be run by either.
    os.environ["PULUMI_CONFIG"] = json.dumps(dict(request.config))
    os.chdir(request.info.program_directory or request.pwd)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(max_workers=max(request.parallel, 1) * 4))
    try:
        loop.run_until_complete(run_in_stack(lambda: _execute(Path.cwd() / ENTRY)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return language_pb2.RunResponse(bail=True)
    except grpc.RpcError as error:
        if _is_gone(error):
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"the engine refused: {_details(error)}")
    except Exception:  # noqa: BLE001 - whatever a program may raise
        pulumi.log.error("Program failed with an unhandled exception:\n" + traceback.format_exc())
        return language_pb2.RunResponse(bail=True)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
    return language_pb2.RunResponse()


def _execute(entry: Path) -> None:
    runpy.run_path(str(entry), run_name="__main__")


def _is_gone(error: grpc.RpcError) -> bool:
    """Whether the engine closed the connection, as it does when it was interrupted or a resource failed."""
    return isinstance(error, grpc.Call) and error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def _details(error: grpc.RpcError) -> str:
    return str(error.details()) if isinstance(error, grpc.Call) else str(error)


def main(modules: Sequence[str]) -> None:
    """Serve until standard input ends."""
    # As in Pulumi's own host: a failed program leaves futures that nobody awaits, which is no news.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    runtime = LanguageRuntime(modules)
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(runtime, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    runtime.begin()
    sys.stdin.read()
    # The interpreter would take its time to put away what the process' end frees at once.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
