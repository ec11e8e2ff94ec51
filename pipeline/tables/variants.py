"""Which variants of `params.yaml` the paper's tables and figures compare, and as what they are published.

A variant is known here by its name alone; what it sets is the business of `params.yaml`. The method itself,
"" as a variant, opens or closes each comparison. A table of variants exists once one of them was run.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from pipeline.tables.aggregate import Entry, EntryMeans

_T = TypeVar("_T")


def _of_anomalyclip(labels: Mapping[str, _T]) -> dict[Entry, _T]:
    return {Entry("anomalyclip", variant): label for variant, label in labels.items()}


# Table 3: what a method is tuned on.
TUNINGS: Final = {
    Entry("vand", ""): "VAND",
    Entry("vand", "medical"): "VAND, medical",
    Entry("anomalyclip", ""): "AnomalyCLIP",
    Entry("anomalyclip", "medical"): "AnomalyCLIP, medical",
}

# Table 4, from the top down; each row adds a module to the one above.
MODULES: Final = _of_anomalyclip({"base": ("Base",), "t1": ("+ T1",), "t2": ("+ T2",), "": ("+ T3",)})

# Table 5: the local loss, the global loss.
LOSSES: Final = _of_anomalyclip(
    {"untrained": ("✗", "✗"), "global_only": ("✗", "✓"), "local_only": ("✓", "✗"), "": ("✓", "✓")}
)

# Figure 5.
OBJECT_AGNOSTIC: Final = Entry("anomalyclip", "")
OBJECT_AWARE: Final = Entry("anomalyclip", "object_aware")

# Figure 6: attention of the local path.
ATTENTIONS: Final = _of_anomalyclip({"": "V-V", "qq": "Q-Q", "kk": "K-K"})


# What the tables and figures above compare.
COMPARED: Final = frozenset({*TUNINGS, *MODULES, *LOSSES, OBJECT_AWARE, *ATTENTIONS})


def any_run(entries: Iterable[Entry], means: Mapping[Entry, EntryMeans]) -> bool:
    """Whether a variant among `entries` was run; the method itself does not count."""
    return any(entry.variant and entry in means for entry in entries)


# How the files of published numbers name the entries of Tables 3 to 5: by method and variant.
PUBLISHED: Final[Mapping[int, Mapping[tuple[str, str], Entry]]] = {
    3: {
        ("vand", ""): Entry("vand", "medical"),
        ("anomalyclip", ""): Entry("anomalyclip", "medical"),
    },
    4: {
        ("anomalyclip", name): Entry("anomalyclip", variant)
        for name, variant in {
            "base": "base",
            "t1_dpam": "t1",
            "t1_t2_prompts": "t2",
            "t1_t2_t3_full": "",
        }.items()
    },
    5: {
        ("anomalyclip", name): Entry("anomalyclip", variant)
        for name, variant in {
            "local0_global0": "untrained",
            "local0_global1": "global_only",
            "local1_global0": "local_only",
            "local1_global1": "",
        }.items()
    },
}
