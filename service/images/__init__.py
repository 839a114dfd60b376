"""The only place where strangers' image bytes are decoded: upright sRGB pixels, or an ImageError that says why not."""

from service.images.decode import Decode, decode
from service.images.formats import FORMATS
from service.images.memory import LargePicture
from service.images.picture import DEFAULT_LIMITS, FINE_LIMITS, ImageLimits, Picture

__all__ = ["DEFAULT_LIMITS", "FINE_LIMITS", "FORMATS", "Decode", "ImageLimits", "LargePicture", "Picture", "decode"]
