"""What an edit starts from: references, in order, and a mask that says what of the first may change."""

from collections.abc import Sequence

from domain.capabilities import Size
from domain.errors import InvalidRequest, LimitExceeded, MaskMismatch, UnsupportedByModel
from domain.media import UPLOAD_FORMATS, Asset, AssetId, AssetKind, PictureFormat


def size_of(asset: Asset) -> Size:
    return Size(asset.width, asset.height)


def check_references(named: Sequence[AssetId], references: Sequence[Asset], most: int) -> None:
    """Raises LimitExceeded, InvalidRequest or UnsupportedByModel; ValueError if `references` are not those `named`, in order."""
    if len(named) > most:
        raise LimitExceeded(f"there may be at most {most} references", field="images", limit=most)
    if len(set(named)) < len(named):
        raise InvalidRequest("a reference is named twice", field="images")
    if [asset.id for asset in references] != list(named):
        raise ValueError("the references must be the assets that were named, in their order")
    for asset in references:
        if asset.kind is AssetKind.MASK:
            raise InvalidRequest("a mask cannot be a reference", field="images")
        if asset.format not in UPLOAD_FORMATS:
            raise UnsupportedByModel(
                f"a {asset.format} cannot be a reference", field="images", allowed=[format.value for format in UPLOAD_FORMATS]
            )


def check_mask(named: AssetId | None, mask: Asset | None, references: Sequence[Asset]) -> None:
    """Raises MaskMismatch with the `reason`; ValueError if `mask` is not the one `named`."""
    if named is None and mask is None:
        return
    if not references:
        raise MaskMismatch("a mask needs a picture to change, in images", field="mask", reason="no_reference")
    if named in [asset.id for asset in references]:
        raise MaskMismatch("a picture cannot be its own mask", field="mask", reason="not_a_mask")
    if mask is None or mask.id != named:
        raise ValueError("the mask must be the asset that was named")
    if mask.kind is not AssetKind.MASK:
        raise MaskMismatch("a mask is uploaded with purpose = mask", field="mask", reason="not_a_mask")
    if mask.format is not PictureFormat.PNG or not mask.has_alpha:
        raise MaskMismatch("a mask is a PNG whose transparent pixels mark what to change", field="mask", reason="no_alpha")
    first = size_of(references[0])
    if size_of(mask) != first:
        raise MaskMismatch(f"the mask must be as large as the first reference, {first}", field="mask", reason="size")
