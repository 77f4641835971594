import { createClient } from "@connectrpc/connect";

import { transportTo } from "./connection.js";
import { NoveltyService } from "./stubs/lodestone/novelty/v1/novelty_service_pb.js";

/** Prints the newest version of every profile. */
export async function listProfiles(): Promise<void> {
  const novelty = createClient(NoveltyService, transportTo("novelty"));
  const { profiles } = await novelty.listProfiles({}, { timeoutMs: 60_000 });
  for (const profile of profiles) {
    const name = `${profile.name}@${profile.version}`;
    console.log(profile.damage ? `${name}: damaged: ${profile.damage}` : `${name}: ${profile.likedCount} liked`);
  }
}
