"""S3: a colour is built from the ground up."""

from model.configuration import Configuration, Layer, source
from model.lab import Lab
from model.violation import Rule, Violation


def layers(lab: Lab, configuration: Configuration) -> list[Violation]:  # noqa: ARG001 (every rule is called alike)
    """The layers of a colour start with `substrate` and leave none out: each stands on the one before it."""
    order = tuple(Layer)
    found: list[Violation] = []
    for colour, settings in configuration.colours.items():
        given = settings.layers
        if given and given == order[: len(given)]:
            continue
        top = max((order.index(layer) for layer in given), default=0)
        found.append(
            Violation(
                rule=Rule.LAYERS,
                message=f"the layers of {colour} are [{', '.join(given)}], but each needs all before it, in order",
                where=source(colour, "layers"),
                fix=f"write [{', '.join(order[: top + 1])}]",
            )
        )
    return found
