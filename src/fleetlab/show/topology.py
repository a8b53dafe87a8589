"""The fleet as a figure: clients, balancers, instances and stores, who reaches whom, and which links are cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .picture import Picture, picture
from .style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Edge = tuple[str, str]
_LAYERS = ("clients", "balancers", "instances", "stores", "outside")
_SHAPES = {"clients": "o", "balancers": "h", "instances": "s", "stores": "8", "outside": ">"}
_STATES = {
    "ready": ("#d7efe9", LIGHT["lease"], "-"),
    "starting": (LIGHT["paper"], LIGHT["call"], ":"),
    "stopping": ("#fff1e5", LIGHT["bad"], "--"),
    "paused": ("#fff1e5", LIGHT["bad"], "-."),
    "dead": ("#f8dcde", LIGHT["dead"], "--"),
    "gone": (LIGHT["paper"], LIGHT["soft"], ":"),
}


@dataclass(frozen=True)
class Fleet:
    """What a topology shows: names by layer, a state for each instance, links, and cut links."""

    clients: Sequence[str] = ()
    balancers: Sequence[str] = ()
    instances: Mapping[str, str] = field(default_factory=dict)
    stores: Sequence[str] = ()
    outside: Sequence[str] = ()
    edges: Sequence[Edge] = ()
    cut: Sequence[Edge] = ()


def topology(of: Any) -> Picture:
    """Return the figure of a world, of a Fleet, or of a mapping or object with the attributes of a Fleet."""
    fleet = describe(of)
    size = (7.2, max(2.4, 0.8 * max(1, *(len(getattr(fleet, layer)) for layer in _LAYERS)) + 0.7))
    text = _text(fleet)
    return picture(lambda figure: _draw(figure, fleet), size, f"Topology. {text.replace(chr(10), '; ')}", text)


def describe(of: Any) -> Fleet:
    """Return a Fleet; links that are not given go from each layer to the next."""
    fleet = of if isinstance(of, Fleet) else _world(of) if hasattr(of, "deployments") else _given(of)
    return fleet if fleet.edges else _linked(fleet)


def _given(of: Any) -> Fleet:
    def get(name: str) -> Any:
        return of.get(name, ()) if isinstance(of, Mapping) else getattr(of, name, ())

    clients, balancers, stores, outside = (tuple(get(name)) for name in ("clients", "balancers", "stores", "outside"))
    return Fleet(
        clients, balancers, _states(get("instances")), stores, outside, _edges(get("edges")), _edges(get("cut"))
    )


def _world(world: Any) -> Fleet:
    """Read a live world: its deployments as balancers, the lanes of its trace, its network's partitions."""
    trace, deployments = world.trace, world.deployments
    instances = {instance.name: instance.state for deployment in deployments.values() for instance in deployment}
    links = [(name, instance.name) for name, deployment in deployments.items() for instance in deployment]
    served = {instance: name for name, instance in links}
    for event in trace.events:
        if event.kind == "request" and event.to in served:
            links.append((event.who, served[event.to]))
        elif event.kind == "call" and event.who in instances and event.to:
            links.append((event.who, event.to))
    clients, stores, outside = (
        tuple(lane for lane in trace.lanes if trace.lane_kind(lane) == kind) for kind in ("client", "store", "outside")
    )
    return Fleet(clients, tuple(deployments), instances, stores, outside, _edges(links), _edges(_cuts(trace.events)))


def _cuts(events: Iterable[Any]) -> list[Edge]:
    cut: dict[frozenset[str], Edge] = {}
    for event in events:
        if event.kind == "partition":
            cut[frozenset((event.who, event.to))] = (event.who, event.to)
        elif event.kind == "heal":
            cut.pop(frozenset((event.who, event.to)), None)
    return list(cut.values())


def _states(given: Any) -> dict[str, str]:
    if isinstance(given, Mapping):
        return {str(name): str(state) for name, state in given.items()}
    named = [i if isinstance(i, tuple) else (getattr(i, "name", i), getattr(i, "state", "ready")) for i in given]
    return {str(name): str(state) for name, state in named}


def _edges(given: Iterable[Sequence[str]]) -> tuple[Edge, ...]:
    return tuple(dict.fromkeys((str(one), str(other)) for one, other in given if one != other))


def _linked(fleet: Fleet) -> Fleet:
    layers = [tuple(getattr(fleet, name)) for name in _LAYERS[:4] if getattr(fleet, name)]
    steps = [(one, other) for left, right in pairwise(layers) for one in left for other in right]
    steps += [(one, other) for one in fleet.instances for other in fleet.outside]
    return Fleet(fleet.clients, fleet.balancers, fleet.instances, fleet.stores, fleet.outside, tuple(steps), fleet.cut)


def _draw(figure: Figure, fleet: Fleet) -> None:
    import networkx

    axes = figure.add_subplot()
    axes.set_axis_off()
    graph = networkx.Graph()
    layers = {name: list(getattr(fleet, name)) for name in _LAYERS if getattr(fleet, name)}
    for column, (layer, names) in enumerate(layers.items()):
        graph.add_nodes_from(names, layer=layer, column=column)
    cut = {frozenset(edge) for edge in fleet.cut}
    graph.add_edges_from(edge for edge in (*fleet.edges, *fleet.cut) if set(edge) <= set(graph))
    places = _places(layers)
    whole = [edge for edge in graph.edges if frozenset(edge) not in cut]
    ended = [edge for edge in whole if any(fleet.instances.get(name) in ("dead", "gone") for name in edge)]
    alive = [edge for edge in whole if edge not in ended]
    networkx.draw_networkx_edges(graph, places, alive, ax=axes, edge_color=LIGHT["soft"], width=1.1)
    networkx.draw_networkx_edges(graph, places, ended, ax=axes, edge_color=LIGHT["line"], width=1.1, style=":")
    _draw_cuts(axes, [edge for edge in graph.edges if frozenset(edge) in cut], places)
    for layer, names in layers.items():
        for name in names:
            _node(axes, layer, name, fleet.instances.get(name, "") if layer == "instances" else "", places[name])
    axes.margins(x=0.14, y=0.22 if len(places) > 3 else 0.6)


def _places(layers: Mapping[str, Sequence[str]]) -> dict[str, tuple[float, float]]:
    """Return one column a layer, its nodes centred; rows do not depend on any solver."""
    return {
        name: (float(column), (len(names) - 1) / 2 - row)
        for column, names in enumerate(layers.values())
        for row, name in enumerate(names)
    }


def _node(axes: Axes, layer: str, name: str, state: str, place: tuple[float, float]) -> None:
    fill, edge, dash = _STATES.get(state, (LIGHT["box"], LIGHT["ink"], "-"))
    axes.scatter(
        *place, s=620, marker=_SHAPES[layer], facecolor=fill, edgecolor=edge, linewidth=1.6, linestyle=dash, zorder=3
    )
    if state in ("dead", "gone"):
        axes.scatter(*place, s=150, marker="x", color=edge, linewidth=2.2, zorder=4)
    label = f"{name}\n{state}" if state else name
    halo = {"boxstyle": "round,pad=0.1", "facecolor": LIGHT["paper"], "edgecolor": "none", "alpha": 0.85}
    text = axes.annotate(label, place, (0, -15), textcoords="offset points", fontsize=8.5, zorder=5, bbox=halo)
    text.set(horizontalalignment="center", verticalalignment="top")


def _draw_cuts(axes: Axes, edges: Iterable[Edge], places: Mapping[str, tuple[float, float]]) -> None:
    for one, other in edges:
        (x1, y1), (x2, y2) = places[one], places[other]
        axes.plot([x1, x2], [y1, y2], linestyle=(0, (2, 3)), color=LIGHT["dead"], linewidth=1.4, zorder=1)
        axes.scatter((x1 + x2) / 2, (y1 + y2) / 2, s=70, marker="x", color=LIGHT["dead"], linewidth=2.4, zorder=2)


def _text(fleet: Fleet) -> str:
    """Return the fleet as lines: each layer with its names, then the links that are cut."""
    lines = []
    for layer in _LAYERS:
        names = list(getattr(fleet, layer))
        if layer == "instances":
            names = [f"{name} ({state})" for name, state in fleet.instances.items()]
        if names:
            lines.append(f"{layer:<9} {', '.join(names)}")
    lines += [f"cut       {one} ✕ {other}" for one, other in fleet.cut]
    return "\n".join(lines) or "an empty fleet"
