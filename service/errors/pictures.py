"""Bytes of which no picture was made."""

from service.errors.base import ServiceError


class ImageError(ServiceError):
    """The bytes were judged and no picture was made of them."""

    status, code, title = 422, "image_unreadable", "The image cannot be read"


class ImageUnreadable(ImageError):
    pass


class ImageTruncated(ImageError):
    code, title = "image_truncated", "The image is cut short"


class ImageTooLarge(ImageError):
    status, code, title = 413, "image_too_large", "The image is too large"


class ImageUnsupported(ImageError):
    status, code, title = 415, "image_unsupported", "The image format is not supported"
