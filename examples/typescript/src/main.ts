import { Code, ConnectError } from "@connectrpc/connect";

import { hintFor } from "./connection.js";
import { judge } from "./judge.js";
import { listProfiles } from "./profiles.js";
import { watch } from "./watch.js";

const USAGE = "usage: npm start -- profiles | judge FILE PROFILE | watch CRAWL_ID";

async function main([command, first, second]: string[]): Promise<number> {
  if (command === "profiles" && !first) {
    await listProfiles();
  } else if (command === "judge" && first && second) {
    await judge(first, second);
  } else if (command === "watch" && first && !second) {
    await watch(first);
  } else {
    console.error(USAGE);
    return 2;
  }
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const { code, rawMessage } = ConnectError.from(error);
  console.error(`error: ${code === Code.Unknown ? "" : `${Code[code]}: `}${rawMessage}${hintFor(code)}`);
  process.exitCode = 1;
}
