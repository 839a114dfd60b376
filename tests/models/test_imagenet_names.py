from service.models.imagenet_names import imagenet_classes


def test_the_1000_names_differ_and_stand_by_their_wordnet_ids() -> None:
    classes = imagenet_classes()
    assert len(classes) == len(set(classes.values())) == 1000
    assert list(classes) == sorted(classes)
    assert [classes[wnid] for wnid in ("n01440764", "n03773504", "n04008634")] == ["tench", "missile", "projectile"]
    assert [classes[wnid] for wnid in ("n04355933", "n04356056")] == ["sunglass", "sunglasses"]
