"""OpenAI's own client in processes that can be killed: it is imported once, and forked for each call."""

import os
import signal
import sys

from openai import OpenAI


def main(address: str, key: str) -> None:
    """For each line of the input, a prompt: asks for its picture in a process of its own, and prints its pid."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            client = OpenAI(api_key=key, base_url=f"{address}/v1")
            slowly = {"X-Sandbox-Fault": "latency_ms=2500"}
            client.images.generate(prompt=line.strip(), size="64x64", quality="low", extra_headers=slowly)
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
