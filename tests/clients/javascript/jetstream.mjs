// nats.js' JetStream, key-value and object store against the server whose URL is the only
// argument. Prints PASS lines; any failure throws, which ends the script with status 1.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { connect } from "@nats-io/transport-node";

const connection = await connect({ servers: process.argv[2], reconnect: false });
const manager = await jetstreamManager(connection);
const js = jetstream(connection);
const watchdog = setTimeout(() => assert.fail("too slow"), 60000);

{
  await manager.streams.add({ name: "JSS", subjects: ["jss.>"] });
  for (let number = 0; number < 200; number++) {
    const ack = await js.publish(`jss.${number}`, `${number}`);
    assert.equal(ack.seq, number + 1);
  }
  await manager.consumers.add("JSS", { durable_name: "puller", ack_policy: AckPolicy.Explicit });
  const puller = await js.consumers.get("JSS", "puller");
  let expected = 0;
  while (expected < 200) {
    for await (const message of await puller.fetch({ max_messages: 50, expires: 10000 })) {
      assert.equal(message.string(), `${expected++}`);
      assert(await message.ackAck());
    }
  }
  const { num_pending, num_ack_pending } = await puller.info();
  assert.deepEqual([num_pending, num_ack_pending], [0, 0]);
  console.log("PASS publish, pull, acknowledge");

  const ordered = await js.consumers.get("JSS");
  let next = 0;
  for await (const message of await ordered.consume()) {
    assert.equal(message.string(), `${next++}`);
    if (next === 200) break;
  }
  console.log("PASS ordered consumer");

  assert.equal((await manager.streams.purge("JSS", { filter: "jss.7" })).purged, 1);
  assert.equal((await manager.streams.info("JSS")).state.messages, 199);
  const message = await manager.streams.getMessage("JSS", { last_by_subj: "jss.42" });
  assert.equal(message.string(), "42");
  assert.equal(await manager.streams.getMessage("JSS", { seq: 8 }), null);
  assert(await manager.streams.delete("JSS"));
  console.log("PASS purge, message get, delete");
}
{
  const retention = RetentionPolicy.Workqueue;
  await manager.streams.add({ name: "JSQ", subjects: ["jsq"], retention });
  for (let number = 0; number < 20; number++) await js.publish("jsq", `${number}`);
  await manager.consumers.add("JSQ", { durable_name: "w", ack_policy: AckPolicy.Explicit });
  const worker = await js.consumers.get("JSQ", "w");
  for await (const message of await worker.fetch({ max_messages: 20, expires: 10000 })) {
    await message.ackAck();
  }
  assert.equal((await manager.streams.info("JSQ")).state.messages, 0);
  await manager.streams.delete("JSQ");
  console.log("PASS work queue");
}
{
  const bucket = await new Kvm(connection).create("jskv", { history: 5 });
  const first = await bucket.put("a", "1");
  await bucket.update("a", "2", first);
  await assert.rejects(bucket.update("a", "3", first));
  assert.equal((await bucket.get("a")).string(), "2");
  const values = [];
  for await (const entry of await bucket.history({ key: "a" })) values.push(entry.string());
  assert.deepEqual(values, ["1", "2"]);
  await bucket.put("b", "x");
  await bucket.delete("b");
  const keys = [];
  for await (const key of await bucket.keys()) keys.push(key);
  assert.deepEqual(keys, ["a"]);
  await bucket.destroy();
  console.log("PASS key-value store");
}
{
  const bucket = await new Objm(connection).create("jsobj");
  const content = randomBytes(700000);
  await bucket.putBlob({ name: "thing" }, content);
  assert(content.equals(await bucket.getBlob("thing")));
  assert.deepEqual((await bucket.list()).map((info) => info.name), ["thing"]);
  await bucket.delete("thing");
  await bucket.destroy();
  console.log("PASS object store");
}
clearTimeout(watchdog);
await connection.drain();
