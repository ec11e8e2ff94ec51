"""The published layouts: one module a family, each writing a data set as its publisher lays it out.

A writer takes a `Job` and gives back how many normal and anomalous test images each subset has. Folder
names, file names, suffixes, image modes and mask conventions are those of the real archives; what is seen
is not.
"""

from collections.abc import Callable

from pipeline.miniature.datasets.layouts import classes, dagm, folders, kolektor, lesions, visa
from pipeline.miniature.datasets.layouts.job import Counts, Job

WRITERS: dict[str, Callable[[Job], Counts]] = {
    "mvtec": folders.write_mvtec,
    "visa": visa.write,
    "mpdd": folders.write_mpdd,
    "btad": folders.write_btad,
    "sdd": kolektor.write,
    "dagm": dagm.write,
    "dtd_synthetic": folders.write_dtd_synthetic,
    "headct": classes.write_headct,
    "brainmri": classes.write_brainmri,
    "br35h": classes.write_br35h,
    "covid19": classes.write_covid19,
    "isic": lesions.write_isic,
    "cvc_colondb": lesions.write_cvc_colondb,
    "cvc_clinicdb": lesions.write_cvc_clinicdb,
    "kvasir": lesions.write_kvasir,
    "endo": lesions.write_endo,
    "tn3k": lesions.write_tn3k,
    "colon_auxiliary": lesions.write_colon_auxiliary,
}
"""The writer of every data set."""

__all__ = ["WRITERS", "Counts", "Job"]
