"""Why there is no plan: which rules would have to give, and by how much; or which lines take money without end."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from fiscus.core.facts import Facts
from fiscus.core.problem import Problem
from fiscus.core.rules.base import amount
from fiscus.optimise import highs
from fiscus.optimise.layout import Arrays, Form

SECONDS = 20.0


def infeasible_reasons(model: Form) -> tuple[str, ...]:
    """Sentences naming the rules that cannot all hold.

    Every rule is made elastic and the least total give is found, each row counted against its own size, so the rules named are
    ones whose loosening by the amounts named makes a plan possible.
    """
    elastic, names = _elastic(model.problem, model)
    outcome = highs.run(elastic, gap=1e-4, time_limit=SECONDS)
    if outcome.solution is None:
        return ("The rules cannot all hold, and no single loosening was found within the time allowed.",)
    give = outcome.solution[model.matrix.shape[1] :]
    sentences = []
    for position in np.argsort(-give):
        size = float(give[position])
        if size <= 1e-6:
            break
        rule, what, unit = names[position]
        sentences.append(
            f"{what} cannot be kept with the other rules; it would have to give {amount(size)} {unit} ({rule})."
        )
    return ("No allocation keeps every rule.", *dict.fromkeys(sentences))


def _elastic(problem: Problem, model: Form) -> tuple[Arrays, list[tuple[str, str, str]]]:
    """The model with slack in every rule's rows and every line's floor, and what each slack column stands for."""
    code = problem.currency.code
    ruled = [any(rows.labels is each.labels for each in problem.statement.rows) for rows in model.rows]
    entries: list[tuple[int, float, float]] = []
    names: list[tuple[str, str, str]] = []
    for rows, start, mine in zip(model.rows, model.offsets[:-1].tolist(), ruled, strict=True):
        if not mine:
            continue
        for row in range(len(rows)):
            size = max(1.0, *(abs(bound) for bound in (rows.lower[row], rows.upper[row]) if np.isfinite(bound)))
            what = " ".join(rows.labels[row][1:])
            text = next(
                (str(rule) for rule in problem.rules if rule.id == rows.labels[row][0]),
                f"The limit of {rows.labels[row][0]}",
            )
            for bound, sign in ((rows.lower[row], 1.0), (rows.upper[row], -1.0)):
                if np.isfinite(bound):
                    entries.append((start + row, sign, size))
                    names.append((rows.labels[row][0], f"{text}, in {what},", rows.unit or code))
    spend = model.blocks["spend"]
    floor = np.flatnonzero(model.lower[spend.slice] > 0)
    lines = problem.shape[1]
    for position in floor.tolist():
        period, line = problem.periods[position // lines], problem.lines.id[position % lines]
        names.append((f"line {line}", f"The floor of {line} in {period}", code))
    slacks = len(entries) + len(floor)
    table = np.array(entries, dtype=np.float64).reshape(-1, 3)
    where = (table[:, 0].astype(np.int64), np.arange(len(entries)))
    soft = sp.csr_array((table[:, 1], where), shape=(model.matrix.shape[0], slacks))
    pick = sp.csr_array(
        (np.ones(len(floor)), (np.arange(len(floor)), spend.offset + floor)), shape=(len(floor), model.matrix.shape[1])
    )
    give = sp.csr_array(
        (np.ones(len(floor)), (np.arange(len(floor)), len(entries) + np.arange(len(floor)))), shape=(len(floor), slacks)
    )
    matrix = sp.csr_array(sp.vstack([sp.hstack([model.matrix, soft]), sp.hstack([pick, give])]))
    lower = model.lower.copy()
    floors = lower[spend.offset + floor].copy()
    lower[spend.offset + floor] = 0.0
    weight = 1.0 / np.concatenate([table[:, 2], np.maximum(1.0, floors)])
    zero, inf = np.zeros(slacks), np.full(slacks, np.inf)
    arrays = Arrays(
        cost=np.concatenate([np.zeros(model.matrix.shape[1]), -weight]),
        lower=np.concatenate([lower, zero]),
        upper=np.concatenate([np.maximum(model.upper, lower), inf]),
        integer=np.concatenate([model.integer, np.zeros(slacks, dtype=bool)]),
        matrix=matrix,
        row_lower=np.concatenate([model.row_lower, floors]),
        row_upper=np.concatenate([model.row_upper, np.full(len(floor), np.inf)]),
    )
    return arrays, names


def unbounded_reasons(problem: Facts) -> tuple[str, ...]:
    """Sentences naming the lines that nothing bounds and that are worth their money for ever."""
    far = np.full(problem.shape, 1e15)
    worth = problem.scenarios.expected() * problem.lines.weight * problem.lines.curves.derivative(far)
    endless = (~np.isfinite(problem.reach) & (worth > problem.spend_weight)).any(axis=0)
    named = [problem.lines.id[line] for line in np.flatnonzero(endless)]
    if not named:
        return ("Value can grow without end; give the lines caps or the plan a budget.",)
    shown = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
    return (f"Nothing bounds the amount of {shown}, and more of it is always worth more; give a cap or a budget.",)
