// nats.js with each credentials file of a folder that `tests/clients/jwt` made: who is let in is
// compared with what must be. Arguments: the server's URL and the folder.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, credsAuthenticator } from "@nats-io/transport-node";

const [url, folder] = process.argv.slice(2);

async function isLetIn(creds) {
  try {
    const authenticator = credsAuthenticator(readFileSync(creds));
    const client = await connect({ servers: url, authenticator, reconnect: false });
    await client.flush();
    await client.close();
    return true;
  } catch {
    return false;
  }
}

let count = 0;
for (const line of readFileSync(join(folder, "cases"), "utf8").trim().split("\n")) {
  const [name, verdict] = line.split(" ");
  const found = await isLetIn(join(folder, `${name}.creds`));
  if (found !== (verdict === "in")) {
    throw new Error(`${name}: expected ${verdict}, let in: ${found}`);
  }
  count += 1;
}
console.log(`PASS ${count} credentials files by nats.js`);
