"""The rules of the service, in the standard library alone: no I/O, no clock, no ids made here.

Five words carry most of it. A **wallet** is one account's credits in one mode (live or test). A **lot** is one grant of
credits, with a source, a priority and an expiry. A **hold** promises credits to one generation until it ends. A **generation**
is one request for pictures. An **attempt** is one call of a model, written down before it is made.
"""
