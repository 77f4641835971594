import { readFile } from "node:fs/promises";

import { createClient } from "@connectrpc/connect";

import { transportTo } from "./connection.js";
import { CrawlerService } from "./stubs/lodestone/crawler/v1/crawler_service_pb.js";
import { RejectionCode } from "./stubs/lodestone/image/v1/rejection_pb.js";
import { Verdict } from "./stubs/lodestone/image/v1/verdict_pb.js";

/** Prints what the gates say of an image file (JPEG, PNG, WebP, GIF or AVIF, at most 20 MB); nothing is stored. */
export async function judge(path: string, profile: string): Promise<void> {
  const crawler = createClient(CrawlerService, transportTo("crawler"));
  const content = { case: "encoded" as const, value: await readFile(path) };
  const { results } = await crawler.judgeImages(
    { options: { profile }, images: [{ content }] },
    { timeoutMs: 60_000 },
  );
  for (const { outcome } of results) {
    switch (outcome.case) {
      case "value":
        // A server may be newer than these stubs, and have a word that they lack: then its number is shown.
        console.log(`${path}: ${Verdict[outcome.value.verdict] ?? outcome.value.verdict}: ${outcome.value.reason}`);
        break;
      case "rejection":
        console.log(`${path}: not judged, ${RejectionCode[outcome.value.code] ?? outcome.value.code}: ${outcome.value.reason}`);
        break;
      default:
        console.log(`${path}: an answer of a newer server`);
    }
  }
}
