"""The published layouts: one module a family, each writing a data set as its publisher lays it out.

A writer takes a `Job` and gives back how many normal and anomalous test images each subset has. Folder
names, file names, suffixes, image modes and mask conventions are those of the real archives; what is seen
is not.
"""

from collections.abc import Callable

from pipeline.miniature.datasets.layouts import extended, industrial, medical
from pipeline.miniature.datasets.studio import Counts, Job

WRITERS: dict[str, Callable[[Job], Counts]] = {
    "mvtec": industrial.write_mvtec,
    "visa": industrial.write_visa,
    "mpdd": industrial.write_mpdd,
    "btad": industrial.write_btad,
    "sdd": industrial.write_kolektor,
    "dagm": industrial.write_dagm,
    "dtd_synthetic": industrial.write_dtd_synthetic,
    "headct": medical.write_headct,
    "brainmri": medical.write_brainmri,
    "br35h": medical.write_br35h,
    "covid19": medical.write_covid19,
    "isic": medical.write_isic,
    "cvc_colondb": medical.write_cvc_colondb,
    "cvc_clinicdb": medical.write_cvc_clinicdb,
    "kvasir": medical.write_kvasir,
    "endo": medical.write_endo,
    "tn3k": medical.write_tn3k,
    "colon_auxiliary": medical.write_colon_auxiliary,
    "real_iad": extended.write_real_iad,
    "mvtec_ad_2": extended.write_mvtec_ad_2,
    "ksdd2": extended.write_ksdd2,
    "elpv": extended.write_elpv,
    "bmad_brain": extended.write_bmad_with_masks,
    "bmad_liver": extended.write_bmad_with_masks,
    "bmad_resc": extended.write_bmad_with_masks,
    "bmad_oct2017": extended.write_bmad_without_masks,
    "bmad_chest": extended.write_bmad_without_masks,
    "bmad_histopathology": extended.write_bmad_without_masks,
    "cvc_300": extended.write_cvc_300,
}
"""The writer of every data set."""

__all__ = ["WRITERS", "Counts", "Job"]
