"""The published layouts: one reader a file, chosen by `kind` in a data set's record."""

from typing import Annotated, TypeAlias

from pydantic import Field

from pipeline.catalog.layouts.base import Layout, Reading, locate
from pipeline.catalog.layouts.class_folders import ClassFolders
from pipeline.catalog.layouts.dagm import Dagm
from pipeline.catalog.layouts.image_list import ImageList
from pipeline.catalog.layouts.image_mask_folders import ImageMaskFolders
from pipeline.catalog.layouts.kolektor import Kolektor
from pipeline.catalog.layouts.label_csv import LabelCsv
from pipeline.catalog.layouts.lesions_and_normals import LesionsAndNormals
from pipeline.catalog.layouts.mvtec_like import MvtecLike
from pipeline.catalog.layouts.split_csv import SplitCsv

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
