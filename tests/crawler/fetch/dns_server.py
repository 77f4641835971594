"""A name server on loopback that answers from a table, over UDP."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from dnslib import CNAME, QTYPE, RCODE, RR, A, DNSRecord

GARBAGE, SERVER_FAILURE, SILENCE = "garbage", "server failure", "silence"


class DnsServer(asyncio.DatagramProtocol):
    """`answers[name]` is a list of answers, each a list of IPv4 addresses or names; the last one repeats.

    Every answer has a time to live of 0. An address may also be one of the words GARBAGE, SERVER_FAILURE and SILENCE.
    Names that are not in the table do not exist. An async context manager; `asked` counts the A queries of each name.
    """

    def __init__(self, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._answers = answers
        self.asked: dict[str, int] = defaultdict(int)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self._transport = transport
        self.port: int = transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = DNSRecord.parse(data)
        name = str(query.q.qname).rstrip(".").lower()
        rows = self._answers.get(name, [])
        row = rows[min(self.asked[name], len(rows) - 1)] if rows else None
        if query.q.qtype == QTYPE.A:
            self.asked[name] += 1
        self._answer(query, row, addr)

    def _answer(
        self, query: DNSRecord, row: Sequence[str] | None, address: tuple[str, int]
    ) -> None:
        if row == [SILENCE]:
            return
        if row == [GARBAGE]:
            self._transport.sendto(query.pack()[:2] + b"\xff" * 40, address)
            return
        reply = query.reply()
        if row is None:
            reply.header.rcode = RCODE.NXDOMAIN
        elif row == [SERVER_FAILURE]:
            reply.header.rcode = RCODE.SERVFAIL
        elif query.q.qtype == QTYPE.A:
            self._add(reply, query.q.qname, row)
        self._transport.sendto(reply.pack(), address)

    def _add(self, reply: DNSRecord, owner: object, row: Sequence[str]) -> None:
        for entry in row:
            if entry[0].isdigit():
                reply.add_answer(RR(owner, QTYPE.A, rdata=A(entry), ttl=0))
                continue
            reply.add_answer(RR(owner, QTYPE.CNAME, rdata=CNAME(entry), ttl=0))
            self._add(reply, entry, self._answers[entry][0])
