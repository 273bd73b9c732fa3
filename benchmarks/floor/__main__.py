"""The least that a program with this many resources can do: no model, no inventory, one input per resource."""

import gc

# The floor gets every advantage that the lab's program has.
gc.disable()

import pulumi  # noqa: E402
import pulumi_random as random  # noqa: E402

config = pulumi.Config()
providers = [random.Provider(f"provider-{n}") for n in range(config.require_int("providers"))]
components = [
    pulumi.ComponentResource("floor:index:Component", f"component-{n}") for n in range(config.require_int("components"))
]
for n in range(config.require_int("custom")):
    random.RandomId(
        f"resource-{n}",
        byte_length=4,
        opts=pulumi.ResourceOptions(
            parent=components[n % len(components)] if components else None,
            provider=providers[n % len(providers)] if providers else None,
        ),
    )
for component in components:
    component.register_outputs({})
