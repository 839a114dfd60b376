"""The 1000 ImageNet-1k classes: WordNet ids and the names that CLIP-like models are asked with."""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any


@cache
def imagenet_classes() -> Mapping[str, str]:
    """Name by WordNet id (`n01440764`: `tench`), in the order of the class index 0 to 999.

    The names are those that open_clip publishes. It has two pairs of classes with one name; of those, the one whose
    first WordNet lemma differs goes by that lemma (`projectile`, `sunglass`), so that no two classes share a name. The
    first call imports open_clip, which takes seconds.
    """
    from open_clip import IMAGENET_CLASSNAMES
    from timm.data.imagenet_info import ImageNetInfo

    info: Any = ImageNetInfo("imagenet-1k")
    repeated = {name for name, times in Counter(IMAGENET_CLASSNAMES).items() if times > 1}
    return MappingProxyType(
        {
            wnid: info.label_name_to_description(wnid).split(",")[0].strip() if name in repeated else name
            for wnid, name in zip(info.label_names(), IMAGENET_CLASSNAMES, strict=True)
        }
    )
