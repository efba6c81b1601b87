// nats.js against the server whose URL is the only argument. Prints PASS lines; any failure
// throws, which ends the script with status 1.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect, headers, NoRespondersError, RequestError } from "@nats-io/transport-node";

const url = process.argv[2];
const one = await connect({ servers: url, reconnect: false });
const two = await connect({ servers: url, reconnect: false });

// The next `count` messages; a watchdog ends a wait that lasts too long.
async function take(subscription, count) {
  const taken = [];
  const watchdog = setTimeout(() => assert.fail(`${subscription.getSubject()}: too few`), 10000);
  for (const messages = subscription[Symbol.asyncIterator](); taken.length < count; ) {
    const { value, done } = await messages.next();
    assert(!done, "an open subscription");
    taken.push(value);
  }
  clearTimeout(watchdog);
  return taken;
}

{
  const plain = one.subscribe("greet.joe");
  const star = one.subscribe("greet.*");
  const rest = one.subscribe("greet.>");
  await one.flush();
  two.publish("greet.joe", "hello");
  two.publish("greet.joe.twice", "again");
  assert.equal((await take(plain, 1))[0].string(), "hello");
  assert.equal((await take(star, 1))[0].subject, "greet.joe");
  assert.deepEqual((await take(rest, 2)).map((m) => m.string()), ["hello", "again"]);
  assert.equal(star.getPending(), 0);
  console.log("PASS publish, subscribe, wildcards");
}
{
  const counts = [0, 0, 0, 0];
  const seen = new Set();
  await new Promise(async (resolve) => {
    [one, two, one, two].forEach((connection, at) => {
      const callback = (_error, message) => {
        counts[at] += 1;
        seen.add(message.string());
        if (seen.size === 400) resolve();
      };
      connection.subscribe("work", { queue: "workers", callback });
    });
    await one.flush();
    await two.flush();
    for (let number = 0; number < 400; number++) two.publish("work", `${number}`);
  });
  assert.equal(counts.reduce((sum, count) => sum + count), 400);
  assert(Math.min(...counts) > 40, `${counts}`);
  console.log("PASS queue groups", counts);
}
{
  two.subscribe("double", { callback: (_error, m) => m.respond(`${2 * Number(m.string())}`) });
  await two.flush();
  for (let number = 0; number < 100; number++) {
    const answer = await one.request("double", `${number}`, { timeout: 10000 });
    assert.equal(Number(answer.string()), 2 * number);
  }
  console.log("PASS request, reply");
}
{
  const error = await one.request("nobody", "", { timeout: 10000 }).catch((error) => error);
  const none = error instanceof NoRespondersError ||
    (error instanceof RequestError && error.isNoResponders());
  assert(none, `${error}`);
  console.log("PASS no responders");
}
{
  const headed = one.subscribe("headed");
  await one.flush();
  const sent = headers();
  sent.append("Trace-Id", "abc");
  sent.append("Many", "first");
  sent.append("Many", "second");
  two.publish("headed", "body", { headers: sent });
  const [message] = await take(headed, 1);
  assert.equal(message.headers.get("Trace-Id"), "abc");
  assert.deepEqual(message.headers.values("Many"), ["first", "second"]);
  assert.equal(message.string(), "body");
  console.log("PASS headers");
}
{
  const big = one.subscribe("big");
  await one.flush();
  const payload = randomBytes(1 << 20);
  two.publish("big", payload);
  assert(payload.equals((await take(big, 1))[0].data));
  console.log("PASS 1 MiB payload");
}
{
  const many = Array.from({ length: 1000 }, (_, number) => one.subscribe(`many.${number}`));
  await one.flush();
  many.forEach((_, number) => two.publish(`many.${number}`, `${number}`));
  for (const [number, subscription] of many.entries()) {
    assert.equal((await take(subscription, 1))[0].string(), `${number}`);
  }
  console.log("PASS 1000 subjects");
}
{
  const few = one.subscribe("few", { max: 3 });
  const after = one.subscribe("few");
  await one.flush();
  for (let number = 0; number < 5; number++) two.publish("few", `${number}`);
  await take(after, 5);
  assert.equal(few.getReceived(), 3);
  console.log("PASS unsubscribe after a maximum");
}
{
  for (let number = 0; number < 500; number++) {
    const subscription = one.subscribe(`flush.${number}`);
    await one.flush();
    two.publish(`flush.${number}`, "x");
    await take(subscription, 1);
    subscription.unsubscribe();
  }
  console.log("PASS a flush makes subscriptions visible");
}
{
  const got = [];
  const drained = one.subscribe("drained", { callback: (_error, m) => got.push(m.string()) });
  const last = one.subscribe("drained");
  await one.flush();
  for (let number = 0; number < 100; number++) two.publish("drained", `${number}`);
  await take(last, 100);
  await drained.drain();
  assert.deepEqual(got, Array.from({ length: 100 }, (_, number) => `${number}`));
  await one.drain();
  await two.close();
  assert(one.isClosed() && two.isClosed());
  console.log("PASS drain and close");
}
