"""Pictures of figures as SVG: no styles, no scripts, nothing from elsewhere; readable in grey, with a text beside."""

from fiscus.web.pictures.bars import budget_bar, change_bars, compare_bars
from fiscus.web.pictures.lines import band, path
from fiscus.web.pictures.tree_map import Cell, tree_map

__all__ = ["Cell", "band", "budget_bar", "change_bars", "compare_bars", "path", "tree_map"]
