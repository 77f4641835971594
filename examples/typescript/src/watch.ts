import { setTimeout as sleep } from "node:timers/promises";

import { Code, ConnectError, createClient } from "@connectrpc/connect";

import { hintFor, transportTo } from "./connection.js";
import { type Crawl, CrawlState, type SettledListing } from "./stubs/lodestone/crawler/v1/crawl_pb.js";
import { CrawlerService } from "./stubs/lodestone/crawler/v1/crawler_service_pb.js";
import { OutcomeReason } from "./stubs/lodestone/crawler/v1/outcome_pb.js";
import { Verdict } from "./stubs/lodestone/image/v1/verdict_pb.js";

/** What a crawler that restarts, drains or lost its connection ends a watch with. */
const AWAY = [Code.Unavailable, Code.Canceled, Code.DeadlineExceeded];

/**
 * Prints each settled listing of a crawl once, until the crawl is paused or has ended. While the crawler is away the watch
 * is opened again every second, and goes on after the last listing that came.
 */
export async function watch(crawlId: string): Promise<void> {
  const crawler = createClient(CrawlerService, transportTo("crawler"));
  let afterSequence = 0n;
  let crawl: Crawl | undefined;
  while (crawl === undefined || crawl.state === CrawlState.RUNNING) {
    try {
      for await (const { event } of crawler.watchCrawl({ crawlId, afterSequence })) {
        if (event.case === "settledListing") {
          afterSequence = event.value.sequence;
          console.log(lineOf(event.value));
        } else if (event.case === "crawl") {
          crawl = event.value;
        }
      }
    } catch (error) {
      const { code, metadata, rawMessage } = ConnectError.from(error);
      if (!AWAY.includes(code)) {
        throw error;
      }
      // A stream that has lasted for long enough ends so: another one may begin at once.
      if (metadata.get("grpc-retry-pushback-ms") !== "0") {
        console.error(`the crawler is away: ${rawMessage}${hintFor(code)}`);
        await sleep(1_000);
      }
    }
  }
  console.log(`${CrawlState[crawl.state] ?? crawl.state}: ${crawl.progress?.settledCount ?? 0n} settled`);
}

function lineOf({ listing, judgement, outcome }: SettledListing): string {
  const word = judgement
    ? Verdict[judgement.verdict] ?? judgement.verdict
    : OutcomeReason[outcome?.reason ?? 0] ?? outcome?.reason;
  return `${listing?.url}: ${word}: ${judgement?.reason || outcome?.message}`;
}
