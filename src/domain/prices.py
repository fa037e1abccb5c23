"""The price of a request in credits, and what it can cost us at worst."""

from dataclasses import dataclass

from domain.catalogue import Model
from domain.errors import PriceAboveMaximum
from domain.rates import Prices, Work
from domain.requests import PictureRequest


@dataclass(frozen=True, slots=True)
class Quote:
    """A price in credits: `unit` for each picture delivered, all inclusive, and `credits` for all of them.

    `breakdown` says what the credits are for; its parts add up to `credits`.
    """

    credits: int
    unit: int
    breakdown: tuple[tuple[str, int], ...]


def quote(request: PictureRequest, model: Model) -> Quote:
    """The price of a request. Each picture pays for the references too: the provider bills them as if asked for one by one."""
    return quote_work(work_of(request, model), request.n, model.prices)


def quote_work(work: Work, n: int, prices: Prices) -> Quote:
    """The price of `n` times the same work."""
    parts = (
        ("picture", prices.picture(work.quality, *work.canvases)),
        ("references", prices.references(work.references)),
        ("partial_images", prices.partial_images(work.partial_images)),
        ("prompt", prices.prompt(work.prompt_bytes)),
    )
    unit = sum(credits for _, credits in parts)
    return Quote(unit * n, unit, tuple((name, credits * n) for name, credits in parts if credits))


def worst_cost(request: PictureRequest, model: Model) -> int:
    """The most that the whole request can cost us, in millionths of a US dollar."""
    return request.n * model.prices.worst_cost(work_of(request, model))


def work_of(request: PictureRequest, model: Model) -> Work:
    """What the price of one picture depends on."""
    if request.model != model.id:
        raise ValueError(f"a request for {request.model} cannot be priced by {model.id}")
    return Work(
        canvases=model.capabilities.canvases(request.size, request.frame_count),
        quality=request.quality,
        references=len(request.references) + (request.mask is not None),
        partial_images=request.partial_images,
        prompt_bytes=len(request.prompt.encode()),
    )


def check_maximum(quote: Quote, max_credits: int | None) -> None:
    """Refuse a price above what the caller is ready to pay. Raises PriceAboveMaximum."""
    if max_credits is not None and quote.credits > max_credits:
        raise PriceAboveMaximum(
            f"the price is {quote.credits} credits", field="max_credits", credits=quote.credits, max_credits=max_credits
        )
