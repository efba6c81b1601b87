"""nats-py's JetStream, key-value and object store against the server whose URL is the only
argument. Prints PASS lines; any failure raises, which ends the script with status 1."""

import asyncio
import os
import sys

import nats
from nats.js.api import ConsumerConfig, AckPolicy, RetentionPolicy, StreamConfig
from nats.js.errors import KeyWrongLastSequenceError, NotFoundError


async def streams(js):
    await js.add_stream(StreamConfig(name="PY", subjects=["py.>"]))
    for number in range(200):
        ack = await js.publish(f"py.{number}", b"%d" % number, timeout=10)
        assert (ack.stream, ack.seq) == ("PY", number + 1)
    puller = await js.pull_subscribe("py.>", durable="puller")
    got = []
    while len(got) < 200:
        for message in await puller.fetch(50, timeout=10):
            await message.ack_sync(timeout=10)
            got.append(int(message.data))
    assert got == list(range(200))
    info = await puller.consumer_info()
    assert (info.num_pending, info.num_ack_pending) == (0, 0), info
    print("PASS publish, pull, acknowledge")

    pusher = await js.subscribe("py.>", ordered_consumer=True)
    for number in range(200):
        assert int((await pusher.next_msg(timeout=10)).data) == number
    print("PASS ordered push consumer")

    await js.purge_stream("PY", subject="py.7")
    state = (await js.stream_info("PY")).state
    assert state.messages == 199, state
    message = await js.get_last_msg("PY", "py.42")
    assert message.data == b"42"
    try:
        await js.get_msg("PY", 8)
        raise AssertionError("it was purged")
    except NotFoundError:
        pass
    await js.delete_stream("PY")
    print("PASS purge, message get, delete")


async def work_queue(js):
    queue = StreamConfig(name="PYQ", subjects=["pyq"], retention=RetentionPolicy.WORK_QUEUE)
    await js.add_stream(queue)
    for number in range(20):
        await js.publish("pyq", b"%d" % number)
    config = ConsumerConfig(durable_name="w", ack_policy=AckPolicy.EXPLICIT, ack_wait=1)
    await js.add_consumer("PYQ", config)
    workers = [await js.pull_subscribe_bind("w", "PYQ") for _ in range(2)]
    for worker in workers:
        for message in await worker.fetch(10, timeout=10):
            await message.ack_sync(timeout=10)
    assert (await js.stream_info("PYQ")).state.messages == 0
    await js.delete_stream("PYQ")
    print("PASS work queue")


async def key_value(js):
    bucket = await js.create_key_value(bucket="pykv", history=5)
    watcher = await bucket.watchall()
    assert await watcher.updates(timeout=10) is None, "nothing is there yet"
    first = await bucket.put("a", b"1")
    await bucket.update("a", b"2", last=first)
    try:
        await bucket.update("a", b"3", last=first)
        raise AssertionError("another revision")
    except KeyWrongLastSequenceError:
        pass
    assert (await bucket.get("a")).value == b"2"
    assert [entry.value for entry in await bucket.history("a")] == [b"1", b"2"]
    await bucket.put("b", b"x")
    assert sorted(await bucket.keys()) == ["a", "b"]
    await bucket.delete("b")
    assert await bucket.keys() == ["a"]
    seen = [await watcher.updates(timeout=10) for _ in range(4)]
    assert [entry.key for entry in seen] == ["a", "a", "b", "b"]
    await watcher.stop()
    await js.delete_key_value("pykv")
    print("PASS key-value store")


async def objects(js):
    bucket = await js.create_object_store(bucket="pyobj")
    content = os.urandom(700_000)
    info = await bucket.put("thing", content)
    assert info.size == len(content)
    assert (await bucket.get("thing")).data == content
    assert [entry.name for entry in await bucket.list()] == ["thing"]
    await bucket.delete("thing")
    await js.delete_object_store("pyobj")
    print("PASS object store")


async def main(url):
    client = await nats.connect(url, allow_reconnect=False)
    js = client.jetstream(timeout=10)
    for part in (streams, work_queue, key_value, objects):
        await part(js)
    assert (await js.account_info()).api.total > 10
    await client.drain()


asyncio.run(main(sys.argv[1]))
