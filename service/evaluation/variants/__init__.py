"""Pictures with other backgrounds or none, after Xiao et al. 2020, Noise or Signal (arXiv 2006.09994)."""

from service.evaluation.variants.files import SUFFIXES
from service.evaluation.variants.kinds import DEFAULT_KINDS, VARIANTS, Variant
from service.evaluation.variants.looking import MaskOf
from service.evaluation.variants.make import VariantsSummary, make_variants
from service.evaluation.variants.survey import Finder
from service.evaluation.variants.tables import Skipped

__all__ = [
    "DEFAULT_KINDS",
    "SUFFIXES",
    "VARIANTS",
    "Finder",
    "MaskOf",
    "Skipped",
    "Variant",
    "VariantsSummary",
    "make_variants",
]
