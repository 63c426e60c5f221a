"""Pictures of an episode: amounts, cash and realised value over time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fiscus.env.engine import Engine

WINDOW = "fiscus"
"""Title of the window."""

MOST_NAMED = 8
"""Lines that the picture names; the others are drawn as one."""


def picture(engine: Engine, place: int, *, show: bool = False) -> npt.NDArray[np.uint8]:
    """Draw one episode of a batch as far as it has come.

    Args:
        engine: The batch.
        place: Position of the episode.
        show: Whether to open or refresh a window.

    Returns:
        Red, green and blue, shape (height, width, 3).
    """
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    game = engine.game
    problem, done = game.problem, int(engine.state.period[place])
    figure = plt.figure(WINDOW, figsize=(8, 6), clear=True) if show else Figure(figsize=(8, 6))
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1.4, 1.4))
    periods = np.arange(game.periods)
    spend = np.where(periods[:, None] < done, engine.spends[place], 0.0)
    large = np.argsort(-spend.sum(axis=0), kind="stable")
    groups = [(problem.lines.name[line], spend[:, line]) for line in large[:MOST_NAMED].tolist()]
    if len(large) > MOST_NAMED:
        groups.append((f"{len(large) - MOST_NAMED} others", spend[:, large[MOST_NAMED:]].sum(axis=1)))
    foot = np.zeros(game.periods)
    hatches = ("", "//", "..", "\\\\", "xx", "--", "oo", "++", "")
    for (name, amounts), hatch in zip(groups, hatches, strict=False):
        top.bar(periods, amounts, 0.7, bottom=foot, label=name, hatch=hatch, edgecolor="white", linewidth=0.4)
        foot += amounts
    most = game.nest.high[:, game.nest.root]
    top.step(periods, most, where="mid", color="black", linewidth=1, linestyle="--", label="most by the envelopes")
    top.set_ylabel(f"spend, {problem.currency.code}")
    top.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    middle.plot(periods[:done], engine.cash[place, :done], marker="o", color="tab:blue")
    middle.set_ylabel("cash left" if problem.account is not None else "budget left")
    bottom.plot(periods[:done], np.cumsum(engine.rewards[place, :done]), marker="s", color="tab:green")
    bottom.set_ylabel("value so far")
    bottom.set_xticks(periods, problem.periods, fontsize=8)
    bottom.set_xlim(-0.6, game.periods - 0.4)
    for axes in (top, middle, bottom):
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        # From zero, so that float dust does not look like movement.
        axes.set_ylim(min(0.0, axes.get_ylim()[0]), max(0.0, axes.get_ylim()[1]))
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{problem.name or 'allocation'}: {done} of {game.periods} periods decided", fontsize=11)
    figure.tight_layout()
    if show:
        plt.pause(0.001)
    canvas = figure.canvas if show else FigureCanvasAgg(figure)
    if not isinstance(canvas, FigureCanvasAgg):
        canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def close_window() -> None:
    """Close the window that ``picture`` opens."""
    import matplotlib.pyplot as plt

    plt.close(WINDOW)
