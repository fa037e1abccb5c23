"""What is sent: a call as the SDK's parameters. `input_fidelity`, `response_format` and `style` are never among them."""

import io
from typing import Any

from application.ports import ModelCall
from domain.media import PictureFormat, sniff
from domain.requests import AUTO, Kind, PictureRequest

File = tuple[str, io.BytesIO, str]
"""File name, bytes, content type. A stream goes out in small pieces, without a copy."""


def is_streamed(call: ModelCall) -> bool:
    """Partial images cost money, so they are only asked for where somebody wants to see them."""
    return call.partial is not None and call.request.partial_images > 0


def parameters_of(call: ModelCall) -> dict[str, Any]:
    """For `images.generate`, or for `images.edit` where there are references."""
    request = call.request
    said: dict[str, Any] = {
        "model": request.model,
        "prompt": request.prompt,
        "n": request.n,
        "size": str(request.size),
        "quality": request.quality.value,
        "background": request.background.value,
        "output_format": request.output_format.value,
        "safety_identifier": call.subject,
    }
    said |= {name: value for name, value in _only_if_set(request).items() if value is not None}
    if is_streamed(call):
        said |= {"stream": True, "partial_images": request.partial_images}
    if request.kind is Kind.EDIT:
        said["image"] = [_file(f"reference-{place}", content) for place, content in enumerate(call.references, 1)]
        if call.mask is not None:
            said["mask"] = _file("mask", call.mask)
        if request.moderation != AUTO:  # documented for edits, but missing among the SDK's parameters
            said["extra_body"] = {"moderation": request.moderation}
    else:
        said["moderation"] = request.moderation
    return said


def _only_if_set(request: PictureRequest) -> dict[str, object]:
    return {
        "complexity": request.complexity,
        "output_compression": request.output_compression,
        "frame_count": request.frame_count,
        "frame_duration_ms": request.frame_duration_ms,
    }


def _file(name: str, content: bytes) -> File:
    format = sniff(content)
    suffix = "jpg" if format is PictureFormat.JPEG else format.value
    return f"{name}.{suffix}", io.BytesIO(content), format.content_type
