"""nats-py with each credentials file of a folder that `tests/clients/jwt` made: who is let in is
compared with what must be. Arguments: the server's URL and the folder."""

import asyncio
import pathlib
import sys

import nats


async def is_let_in(url, creds):
    async def quiet(_):
        pass

    try:
        client = await nats.connect(
            url,
            user_credentials=str(creds),
            allow_reconnect=False,
            max_reconnect_attempts=0,
            error_cb=quiet,
        )
    except Exception:
        return False
    await client.flush()
    await client.close()
    return True


async def main(url, folder):
    count = 0
    for line in (folder / "cases").read_text().splitlines():
        name, verdict, *_ = line.split()
        found = await is_let_in(url, folder / f"{name}.creds")
        assert found == (verdict == "in"), f"{name}: expected {verdict}, let in: {found}"
        count += 1
    print(f"PASS {count} credentials files by nats-py")


asyncio.run(main(sys.argv[1], pathlib.Path(sys.argv[2])))
