"""Who takes the money, as far as the sandbox's pages name it. A part of the wiring in a file of its own."""

from adapters.payments.sandbox import Deliver as Deliver
from adapters.payments.sandbox import SandboxPayments as SandboxPayments
from adapters.payments.sandbox_pages import Act as Act
from adapters.payments.sandbox_pages import Outcome as Outcome
from adapters.payments.sandbox_pages import checkout_page as checkout_page
from adapters.payments.sandbox_pages import keep_card as keep_card
from adapters.payments.sandbox_pages import pay as pay
from adapters.payments.sandbox_pages import play as play
from adapters.payments.sandbox_pages import portal_page as portal_page
from adapters.payments.sandbox_pages import receipt_page as receipt_page
from adapters.payments.sandbox_reading import CHECKOUT as CHECKOUT
from adapters.payments.sandbox_reading import PORTAL as PORTAL
from adapters.payments.sandbox_reading import RECEIPTS as RECEIPTS
from adapters.payments.sandbox_state import Card as Card
