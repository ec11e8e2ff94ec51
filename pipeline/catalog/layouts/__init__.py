"""The published layouts: one reader each, chosen by `kind` in a data set's record."""

from typing import Annotated, TypeAlias

from pydantic import Field

from pipeline.catalog.layouts.base import Layout, Reading, locate
from pipeline.catalog.layouts.csv_files import LabelCsv, SplitCsv
from pipeline.catalog.layouts.folders import ClassFolders, ImageMaskFolders, LesionsAndNormals
from pipeline.catalog.layouts.image_list import ImageList
from pipeline.catalog.layouts.mvtec_like import MvtecLike
from pipeline.catalog.layouts.surfaces import Dagm, Kolektor

AnyLayout: TypeAlias = Annotated[
    MvtecLike
    | SplitCsv
    | Kolektor
    | Dagm
    | ImageMaskFolders
    | ClassFolders
    | LabelCsv
    | LesionsAndNormals
    | ImageList,
    Field(discriminator="kind"),
]

__all__ = ["AnyLayout", "Layout", "Reading", "locate"]
