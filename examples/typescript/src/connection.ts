/** How services are reached: by the variables that the command `lodestone` reads. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Code, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

const ADDRESSES = {
  novelty: "127.0.0.1:50052",
  crawler: "127.0.0.1:50054",
};

/**
 * The transport to a service: at LODESTONE_NOVELTY or LODESTONE_CRAWLER (`host:port`); with the certificates in the
 * folder LODESTONE_TLS, or in plaintext without it; with the token in the file LODESTONE_TOKEN_FILE.
 */
export function transportTo(word: keyof typeof ADDRESSES): Transport {
  const address = process.env[`LODESTONE_${word.toUpperCase()}`] || ADDRESSES[word];
  const folder = process.env["LODESTONE_TLS"];
  const tokenFile = process.env["LODESTONE_TOKEN_FILE"];
  if (tokenFile && !folder) {
    throw new Error("LODESTONE_TOKEN_FILE: a token is sent over TLS alone: set LODESTONE_TLS");
  }
  return createGrpcTransport({
    baseUrl: `${folder ? "https" : "http"}://${address}`,
    interceptors: tokenFile ? [withToken(tokenFile)] : [],
    nodeOptions: folder ? certificates(folder) : {},
  });
}

/** What may be behind an error: a service with TLS closes a connection in plaintext without a word. */
export function hintFor(code: Code): string {
  const mayWantTls = code === Code.Canceled && !process.env["LODESTONE_TLS"];
  return mayWantTls ? "; it may want TLS: set LODESTONE_TLS to the folder with your certificate" : "";
}

function certificates(folder: string) {
  return {
    ca: readFileSync(join(folder, "ca.crt")),
    cert: readFileSync(join(folder, "tls.crt")),
    key: readFileSync(join(folder, "tls.key")),
  };
}

/** Read for each call, so that a new token is sent once the file has it. */
function withToken(path: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${readFileSync(path, "ascii").trim()}`);
    return next(request);
  };
}
