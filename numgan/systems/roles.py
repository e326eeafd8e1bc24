"""Roles: every network that a system names must exist, and have an optimiser where it is trained."""

from ..core.arguments import expect_type
from ..layers import Layer
from ..optimizers import Optimizer
from .system import System


def expect_roles(system):
    """Check that `system` is complete. Raises ValueError for a missing network, optimiser or objective.

    Each name in system.optimizers, drawers, judges and trains must be that of a network. system.trains must
    have every objective, and each network in it must have an optimiser. Of a Staged, which is a run in
    stages, the systems of all stages are checked. Raises TypeError unless `system` is a System, its networks
    are layers and its optimisers Optimizers. Nothing is returned.
    """
    expect_type("system", system, System, "a System, as numgan.build makes it")
    for _, now in system.stages:
        if now is not system:
            expect_roles(now)  # the system of a stage
            continue
        where, trains = type(system).__name__, system.trains
        for word, kind in {"networks": Layer, "optimizers": Optimizer}.items():
            for name, value in getattr(system, word).items():
                expect_type(where, value, kind, f"{word}[{name!r}] of the class {kind.__name__}")
        there = ", ".join(system.networks) or "none"
        names = {"optimizers": tuple(system.optimizers), "drawers": system.drawers, "judges": system.judges}
        for objective in system.objectives():
            if objective not in trains:
                raise ValueError(
                    f"{where}.trains: expected the networks that the objective {objective} trains, "
                    f"got those of {', '.join(trains) or 'none'} only; add it"
                )
            names[f"trains of {objective}"] = trains[objective]
        for role, wanted in names.items():
            for name in wanted:
                if name not in system.networks:
                    raise ValueError(
                        f"{where}: expected {role} among the networks {there}, "
                        f"got {name!r}; correct the name, or add the network"
                    )
                if role.startswith("trains") and name not in system.optimizers:
                    raise ValueError(
                        f"{where}: expected an optimiser of {name}, because an objective trains it, got "
                        f"those of {', '.join(system.optimizers) or 'none'}; add it to optimizers"
                    )
