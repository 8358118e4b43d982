import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { currentScope, openStream } from "./client";
import type { Event } from "./types";

type State = "connecting" | "live" | "off";

let state: State = "off";
let recent: Event[] = [];
const watchers = new Set<() => void>();
const tell = () => watchers.forEach((w) => w());
const subscribe = (watcher: () => void) => (watchers.add(watcher), () => void watchers.delete(watcher));

export function useLiveState(): State {
  return useSyncExternalStore(subscribe, () => state);
}

/** What has happened since the page was opened, newest first. */
export function useRecentEvents(): Event[] {
  return useSyncExternalStore(subscribe, () => recent);
}

function become(next: State) {
  if (state === next) return;
  state = next;
  tell();
}

/** Reads messages of server-sent events out of a body. */
async function read(body: ReadableStream<Uint8Array>, take: (data: string, id: string | null) => void) {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      const member = (name: string) => lines.filter((l) => l.startsWith(name + ":")).map((l) => l.slice(name.length + 1).trimStart());
      take(member("data").join("\n"), member("id").at(-1) ?? null);
    }
  }
}

/** Whose wallet or object an event tells of. */
export function customerOf(event: Event): string | null {
  const data = event.data as Record<string, unknown>;
  if (typeof data.customer_id === "string") return data.customer_id;
  const customer = data.customer as { customer_id?: string } | undefined;
  return customer?.customer_id ?? null;
}

/** Follows the feed, and has asked anew what an event made old. */
export function useLive(key: string) {
  const client = useQueryClient();
  useEffect(() => {
    const abort = new AbortController();
    const scope = currentScope();
    let last: string | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stale = new Set<string>();
    recent = [];
    const flush = () => {
      timer = undefined;
      const names = [...stale];
      stale.clear();
      void client.invalidateQueries({
        predicate: ({ queryKey: [business, mode, path] }) => business === scope.business && mode === scope.mode &&
          names.some((name) => typeof path === "string" && path.startsWith(name)),
      });
    };
    const take = (data: string, id: string | null) => {
      if (id) last = id;
      if (!data) return;
      const event = JSON.parse(data) as Event;
      if (recent.some((e) => e.id === event.id)) return;
      recent = [event, ...recent].slice(0, 100);
      const customer = customerOf(event);
      if (customer) stale.add("/customers/" + customer);
      const [kind] = event.type.split(".");
      if (kind === "customer") stale.add("/customers");
      if (kind === "payment" || kind === "refund" || kind === "subscription" || kind === "dunning" || kind === "top_up" || kind === "dispute") {
        for (const path of ["/payments", "/invoices", "/refunds", "/subscriptions", "/disputes"]) stale.add(path);
      }
      stale.add("/reports");
      timer ??= setTimeout(flush, 250);
      tell();
    };
    const follow = async () => {
      const since = new Date(Date.now() - 2000).toISOString();
      for (let wait = 1000; !abort.signal.aborted; wait = Math.min(wait * 2, 30_000)) {
        try {
          become("connecting");
          const response = await openStream(last ? {} : { created_at_gte: since }, last, abort.signal);
          become("live");
          wait = 1000;
          await read(response.body!, take);
        } catch (error) {
          if (abort.signal.aborted) return;
          if ((error as { status?: number }).status === 401) return;
        }
        become("off");
        await new Promise((go) => setTimeout(go, wait));
      }
    };
    void follow();
    return () => {
      abort.abort();
      clearTimeout(timer);
      become("off");
    };
  }, [client, key]);
}
