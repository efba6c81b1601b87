"""nats-py against the server whose URL is the only argument. Prints PASS lines; any failure
raises, which ends the script with status 1."""

import asyncio
import os
import sys

import nats
from nats.errors import NoRespondersError


async def take(subscription, count):
    return [await subscription.next_msg(timeout=10) for _ in range(count)]


async def settle(client):
    """All that was sent before is handled and visible. The PING of nats-py's own flush overtakes
    what still waits to be written, so a request, which waits its turn, goes first."""
    try:
        await client.request("nobody", b"", timeout=10)
    except NoRespondersError:
        await client.flush()


async def main(url):
    one = await nats.connect(url, allow_reconnect=False)
    two = await nats.connect(url, allow_reconnect=False)

    plain = await one.subscribe("greet.joe")
    star = await one.subscribe("greet.*")
    rest = await one.subscribe("greet.>")
    await settle(one)
    await two.publish("greet.joe", b"hello")
    await two.publish("greet.joe.twice", b"again")
    assert (await take(plain, 1))[0].data == b"hello"
    assert (await take(star, 1))[0].subject == "greet.joe"
    assert [m.data for m in await take(rest, 2)] == [b"hello", b"again"]
    assert star.pending_msgs == 0
    print("PASS publish, subscribe, wildcards")

    workers = [await c.subscribe("work", queue="workers") for c in (one, two, one, two)]
    await settle(one)
    await settle(two)
    for number in range(400):
        await two.publish("work", b"%d" % number)
    done = asyncio.get_running_loop().time() + 10
    while sum(w.pending_msgs for w in workers) < 400:
        assert asyncio.get_running_loop().time() < done, "all 400 arrive"
        await one.flush()
    counts = [w.pending_msgs for w in workers]
    assert sum(counts) == 400 and min(counts) > 40, counts
    for worker in workers:
        await worker.unsubscribe()
    print("PASS queue groups", counts)

    async def double(request):
        await request.respond(b"%d" % (2 * int(request.data)))

    await two.subscribe("double", cb=double)
    await settle(two)
    for number in range(100):
        assert int((await one.request("double", b"%d" % number, timeout=10)).data) == 2 * number
    print("PASS request, reply")

    try:
        await one.request("nobody", b"", timeout=10)
        raise AssertionError("nobody answered")
    except NoRespondersError:
        print("PASS no responders")

    headed = await one.subscribe("headed")
    await settle(one)
    await two.publish("headed", b"body", headers={"Trace-Id": "abc", "Other": "x y"})
    message = (await take(headed, 1))[0]
    assert message.headers == {"Trace-Id": "abc", "Other": "x y"} and message.data == b"body"
    print("PASS headers")

    big = await one.subscribe("big")
    await settle(one)
    payload = os.urandom(1 << 20)
    await two.publish("big", payload)
    assert (await take(big, 1))[0].data == payload
    print("PASS 1 MiB payload")

    many = [await one.subscribe(f"many.{number}") for number in range(1000)]
    await settle(one)
    for number in range(1000):
        await two.publish(f"many.{number}", b"%d" % number)
    for number, subscription in enumerate(many):
        assert (await take(subscription, 1))[0].data == b"%d" % number
    print("PASS 1000 subjects")

    few = await one.subscribe("few")
    await few.unsubscribe(limit=3)
    after = await one.subscribe("few")
    await settle(one)
    for number in range(5):
        await two.publish("few", b"%d" % number)
    await take(after, 5)
    assert [m.data for m in await take(few, 3)] == [b"0", b"1", b"2"]
    print("PASS unsubscribe after a maximum")

    for number in range(500):
        subscription = await one.subscribe(f"flush.{number}")
        await settle(one)
        await two.publish(f"flush.{number}", b"x")
        await take(subscription, 1)
        await subscription.unsubscribe()
    print("PASS a flush makes subscriptions visible")

    got = []

    async def collect(message):
        got.append(message.data)

    drained = await one.subscribe("drained", cb=collect)
    last = await one.subscribe("drained")
    await settle(one)
    for number in range(100):
        await two.publish("drained", b"%d" % number)
    await take(last, 100)
    await drained.drain()
    assert got == [b"%d" % number for number in range(100)], got
    await one.drain()
    await two.close()
    assert one.is_closed and two.is_closed
    print("PASS drain and close")


asyncio.run(main(sys.argv[1]))
