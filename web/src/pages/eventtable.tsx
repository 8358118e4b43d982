import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { get, serverURL } from "../api/client";
import { customerOf, useRecentEvents } from "../api/live";
import { keyOf } from "../api/queries";
import type { Event, Page } from "../api/types";
import { Badge, cx, Empty, Facts, words } from "../ui/base";
import { Modal, ModalBody, ModalHead } from "../ui/dialog";
import { CopyText } from "../ui/base";
import { Money, Raw, Time } from "../ui/show";
import { rowLink, Table, type Column } from "../ui/table";

const toneOf = (type: string) =>
  /failed|past_due|on_hold|low|lost|debited_reversal/.test(type) ? "bad" : /succeeded|credited|recovered|active|renewed|won|added/.test(type) ? "good" :
    /expir|started|opened|paused|requires/.test(type) ? "warn" : "neutral";

/** The amount that an event tells of, when it does. */
function amountOf(event: Event): { amount: number; currency: string } | null {
  const d = event.data as Record<string, unknown>;
  const currency = d.currency;
  for (const name of ["amount", "total_amount", "recurring_pre_tax_amount", "remaining"]) {
    const amount = d[name];
    if (typeof amount === "number" && Number.isSafeInteger(amount) && typeof currency === "string") {
      return { amount: d.is_credit === false ? -amount : amount, currency };
    }
  }
  return null;
}

/** One event in a line: what, to whom, how much, when. */
export function EventLine({ event }: { event: Event }) {
  const customer = customerOf(event);
  const money = amountOf(event);
  return (
    <div className="flex items-center gap-3 min-w-0">
      <Badge tone={toneOf(event.type)}>{event.type}</Badge>
      {customer && <Link to="/customers/$id" params={{ id: customer }} className="font-mono text-xs text-soft hover:text-ink truncate flex-1">{customer}</Link>}
      {money && <Money amount={money.amount} currency={money.currency} className="ml-auto" />}
      <span className={cx("text-sm text-soft hidden sm:inline", !money && "ml-auto")}><Time at={event.timestamp} /></span>
    </div>
  );
}

const hour = 3_600_000;
const windows = [hour, 24 * hour, 7 * 24 * hour, 31 * 24 * hour, 366 * 24 * hour];
const enough = 40;
const most = 20; // pages that are read of one window

/**
 * The newest events. The feed is read forwards, from its beginning or from a time on, so
 * ever longer times are asked for until one has enough, and its end is shown.
 */
function useNewest(customer: string, types: string) {
  return useQuery({
    queryKey: [...keyOf("/events", { customer, types }), "newest"],
    queryFn: async ({ signal }) => {
      const now = Date.now();
      for (const span of windows) {
        const found: Event[] = [];
        let cursor: string | null = null;
        let more = false;
        for (let page = 0; page < most; page++) {
          const got: Page<Event> & { has_more?: boolean } = await get("/events", {
            customer_id: customer, types, created_at_gte: new Date(now - span).toISOString(), page_size: 100, cursor,
          }, signal);
          found.push(...got.items);
          cursor = got.next_cursor;
          more = !!got.has_more;
          if (!more || !cursor) break;
        }
        if (found.length >= enough || span === windows.at(-1)) return { items: found.reverse(), short: more };
      }
      return { items: [], short: false };
    },
    staleTime: 30_000,
  });
}

/** The newest events of the business or of one customer, with those that come meanwhile on top. */
export function EventTable({ customer = "", types = "" }: { customer?: string; types?: string }) {
  const past = useNewest(customer, types);
  const live = useRecentEvents();
  const [open, setOpen] = useState<Event | null>(null);
  const wanted = live.filter((e) => (!customer || customerOf(e) === customer) && (!types || types.split(",").includes(e.type)));
  const known = new Set(past.data?.items.map((e) => e.id));
  const rows = past.data && [...wanted.filter((e) => !known.has(e.id)), ...past.data.items];
  const columns: Column<Event>[] = [
    {
      id: "type", head: "Event", width: "minmax(11rem,2fr)",
      cell: (e) => <button type="button" data-row className={rowLink} onClick={() => setOpen(e)}><Badge tone={toneOf(e.type)}>{e.type}</Badge></button>,
    },
    ...(customer ? [] : [{
      id: "customer", head: "Customer", width: "minmax(8rem,2fr)", from: "md" as const,
      cell: (e: Event) => <span className="font-mono text-xs text-soft">{customerOf(e)}</span>,
    }]),
    { id: "at", head: "Time", width: "8.5rem", from: "sm", cell: (e) => <span className="text-soft"><Time at={e.timestamp} /></span> },
    {
      id: "amount", head: "Amount", width: "minmax(6.5rem,1fr)", right: true,
      cell: (e) => {
        const money = amountOf(e);
        return money && <Money amount={money.amount} currency={money.currency} />;
      },
    },
  ];
  return (
    <>
      <Table label="Events" columns={columns} rows={rows} keyOf={(e) => e.id} error={past.error} retry={() => void past.refetch()} fresh={new Set(wanted.map((e) => e.id))}
        empty={<Empty title="Nothing has happened" command={`curl "${serverURL}/events?page_size=100" \\\n  -H "Authorization: Bearer $BILLFOLD_API_KEY"`}>
          What happens to customers and their money is told here, and to your application:</Empty>}
        footer={past.data?.short && <p className="px-4 py-3 text-sm text-soft">More happened than is shown here. Follow the feed by the API to read all of it.</p>} />
      {open && (
        <Modal kind="drawer" label="Event" onClose={() => setOpen(null)}>
          <ModalHead title={open.type} sub={<Time at={open.timestamp} />} onClose={() => setOpen(null)} />
          <ModalBody>
            <div className="grid gap-5">
              <Facts of={[
                ["Event", <CopyText text={open.id} />],
                customerOf(open) && ["Customer", <Link className="text-accent underline" to="/customers/$id" params={{ id: customerOf(open)! }}>{customerOf(open)}</Link>],
                amountOf(open) && ["Amount", <Money {...amountOf(open)!} />],
                ...plain(open),
              ]} />
              <Raw value={open} />
            </div>
          </ModalBody>
        </Modal>
      )}
    </>
  );
}

/** Those members of an event that are short texts. */
function plain(event: Event): [string, string][] {
  const left = new Set(["payload_type", "business_id", "customer_id", "currency", "hash"]);
  return Object.entries(event.data as Record<string, unknown>)
    .filter((pair): pair is [string, string] => typeof pair[1] === "string" && pair[1] !== "" && !left.has(pair[0]) && pair[1].length < 200)
    .map(([name, value]) => [words(name), value]);
}
