"""The readme that lies beside the drawn data sets."""

from pipeline.miniature.datasets.specification import specification

_TEXT = """\
# Miniature data sets

{count} small data sets, drawn by a program. Each has the folders, file names, file types and mask
conventions of the published data set whose name it bears, quirks included, and not one of its images:
objects, materials, organs, defects and masks come from noise, distance fields and a seed. They let the
whole benchmark run where the real data is not. A score on them says something about the code, nothing
about the real data set.

{table}

Made by

    python -m pipeline.miniature.datasets --out samples --seed {seed}

which writes the same bytes every time. `pipeline/miniature/datasets/specification.yaml` says what is drawn,
`pipeline/miniature/datasets/counts.yaml` how many test images a reader should find.

The pictures are in the public domain (CC0 1.0). The program that draws them has the licence of the project.
"""


def readme(seed: int) -> str:
    """The text, with a table of the data sets."""
    known = specification()
    rows = ["| data set | subsets |", "| --- | --- |"]
    rows += [f"| {name} | {', '.join(spec.subsets)} |" for name, spec in known.items()]
    return _TEXT.format(count=len(known), table="\n".join(rows), seed=seed)
