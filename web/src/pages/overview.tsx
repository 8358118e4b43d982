import { Link } from "@tanstack/react-router";
import { ArrowUpRight, TriangleAlert } from "lucide-react";
import { lazy, useMemo } from "react";
import { APIError, get, serverURL } from "../api/client";
import { keyOf, useGet } from "../api/queries";
import type { Business, Customer, Delivery, Event, LiabilityRow, Page, Payment, WalletList, Webhook } from "../api/types";
import { useFilters } from "../app/search";
import { Choice, cx, Empty, Failure, Heading, Skeleton, Status } from "../ui/base";
import { BigMoney, dayText, Later, Money, Time } from "../ui/show";
import { useQueries } from "@tanstack/react-query";
import { EventLine } from "./eventtable";

const Chart = lazy(() => import("../ui/chart").then((m) => ({ default: m.Chart })));

const spans = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"]] as const;
const dayOf = (at: number) => new Date(at).toISOString().slice(0, 10);

export function Overview() {
  const [filters, setFilters] = useFilters();
  const span = (filters.span ?? "30") as "30";
  const from = dayOf(Date.now() - (Number(span) - 1) * 86_400_000);
  const to = dayOf(Date.now() + 86_400_000);
  const business = useGet<Business>("/business");
  const report = useGet<{ items: LiabilityRow[] }>("/reports/liability", { from, to, by: "day" }, { keep: true });
  const rows = useMemo(() => report.data?.items.filter((r) => r.category === "all") ?? [], [report.data]);
  const currencies: string[] = [...new Set(rows.filter((r) => r.entries > 0 || r.closing !== 0).map((r) => r.currency))];
  const currency = currencies.includes(filters.currency ?? "") ? filters.currency! : currencies[0];
  // Where customers are spread over servers there are no reports.
  const absent = report.error instanceof APIError && report.error.code === "EVENTS_NOT_POSSIBLE";
  return (
    <>
      <Heading title="Overview" sub={business.data ? <span dir="auto">{business.data.name}</span> : "\u00a0"}>
        <Choice label="Period" value={span} of={spans} onChange={(next) => setFilters({ span: next })} />
      </Heading>
      <Failing />
      {report.error && !absent ? <section className="card"><Failure error={report.error} retry={() => void report.refetch()} /></section> : !absent && (
        <section aria-label="What is owed to customers" className="grid gap-3 sm:grid-cols-2 lg:grid-cols-3 mb-6">
          {!report.data && [1, 2, 3].map((i) => <div key={i} className="card p-5"><Skeleton className="h-4 w-20" /><Skeleton className="h-8 w-40 mt-3" /></div>)}
          {report.data && currencies.length === 0 && (
            <div className="card sm:col-span-2 lg:col-span-3">
              <Empty title="No money has moved yet" command={firstCommand()}>Make a customer, and credit their wallet:</Empty>
            </div>
          )}
          {currencies.map((name) => (
            <Liability key={name} currency={name} rows={rows.filter((r) => r.currency === name)} chosen={name === currency} onChoose={() => setFilters({ currency: name })} />
          ))}
        </section>
      )}
      {currency && <Flows currency={currency} rows={rows} />}
      <div className="grid gap-6 lg:grid-cols-2 items-start">
        <LatestEvents />
        <div className="grid gap-6 min-w-0">
          <LatestPayments />
          <LowBalances thresholds={Object.keys(business.data?.alerts ?? {}).length > 0} />
        </div>
      </div>
    </>
  );
}

function firstCommand(): string {
  return [`curl ${serverURL}/customers \\`, `  -H "Authorization: Bearer $BILLFOLD_API_KEY" \\`, `  -H "Content-Type: application/json" \\`,
    `  -d '{"email": "jane@example.com", "name": "Jane Doe"}'`].join("\n");
}

/** Sums in minor units. What one day moved fits a number, what all of them did need not. */
function sum(rows: LiabilityRow[], of: (row: LiabilityRow) => (keyof LiabilityRow)[], keep: (amount: number) => boolean): bigint {
  let total = 0n;
  for (const row of rows) for (const name of of(row)) {
    const amount = row[name] as number;
    if (keep(amount)) total += BigInt(amount);
  }
  return total;
}

const moves: (keyof LiabilityRow)[] = ["funded", "promoted", "spent", "refunded", "expired", "disputed", "adjusted"];
const moneyIn = (rows: LiabilityRow[]) => sum(rows, () => moves, (amount) => amount > 0);
const moneyOut = (rows: LiabilityRow[]) => sum(rows, () => moves, (amount) => amount < 0);

function Liability({ currency, rows, chosen, onChoose }: { currency: string; rows: LiabilityRow[]; chosen: boolean; onChoose: () => void }) {
  const closing = rows.at(-1)?.closing ?? 0;
  return (
    <div className={cx("card relative p-5", chosen ? "border-accent ring-1 ring-accent" : "hover:border-edge")}>
      <div className="flex justify-between text-sm text-soft">
        <button type="button" aria-pressed={chosen} onClick={onChoose} className="font-medium after:absolute after:inset-0 after:rounded-xl">Owed to customers<span className="sr-only"> in {currency}</span></button>
        <span>{currency}</span>
      </div>
      <p className="mt-2"><BigMoney amount={closing} currency={currency} /></p>
      <dl className="mt-3 flex flex-wrap gap-x-5 gap-y-1 text-sm text-soft">
        <div className="flex gap-1.5"><dt>In</dt><dd><Money amount={moneyIn(rows)} currency={currency} signed className="text-good" /></dd></div>
        <div className="flex gap-1.5"><dt>Out</dt><dd><Money amount={moneyOut(rows)} currency={currency} className="text-ink" /></dd></div>
      </dl>
    </div>
  );
}

function Flows({ currency, rows }: { currency: string; rows: LiabilityRow[] }) {
  const own = useMemo(() => rows.filter((r) => r.currency === currency), [rows, currency]);
  const days = useMemo(() => own.map((r) => r.from.slice(0, 10)), [own]);
  const owed = useMemo(() => [{ name: "Owed", values: own.map((r) => r.closing), color: "accent" as const, kind: "line" as const }], [own]);
  const flows = useMemo(() => [
    { name: "In", values: own.map((r) => Number(moneyIn([r]))), color: "good" as const, kind: "bars" as const },
    { name: "Out", values: own.map((r) => Number(moneyOut([r]))), color: "accent" as const, kind: "bars" as const },
  ], [own]);
  const parts: [string, keyof LiabilityRow][] = [["Funded", "funded"], ["Promotional", "promoted"], ["Spent", "spent"], ["Refunded", "refunded"],
    ["Expired", "expired"], ["Disputed", "disputed"], ["Adjusted", "adjusted"]];
  return (
    <div className="grid gap-6 lg:grid-cols-3 mb-6 items-start">
      <section className="card p-4 lg:col-span-2 grid gap-4" aria-label={`Over time in ${currency}`}>
        <div>
          <h2 className="font-semibold mb-2">Owed to customers, by day</h2>
          <Later className="h-44"><Chart label={`What is owed in ${currency} at the end of each day`} days={days} series={owed} currency={currency} height={176} /></Later>
        </div>
        <div>
          <h2 className="font-semibold mb-2 flex items-center gap-4">Money in and out, by day
            <span className="flex items-center gap-1.5 text-sm font-normal text-soft"><span className="size-2 rounded-sm bg-good" aria-hidden />In</span>
            <span className="flex items-center gap-1.5 text-sm font-normal text-soft"><span className="size-2 rounded-sm bg-accent" aria-hidden />Out</span>
          </h2>
          <Later className="h-36"><Chart label={`What came in and went out in ${currency} on each day`} days={days} series={flows} currency={currency} height={144} /></Later>
        </div>
      </section>
      <section className="card p-4" aria-label={`Roll-forward in ${currency}`}>
        <h2 className="font-semibold">Roll-forward</h2>
        <p className="text-sm text-soft mb-2">{own[0] && `${dayText(own[0].from)} until now, in ${currency}`}</p>
        <dl className="divide-y divide-line">
          <Row name="Opening" amount={own[0]?.opening ?? 0} currency={currency} strong />
          {parts.map(([name, part]) => <Row key={part} name={name} amount={sum(own, () => [part], () => true)} currency={currency} signed />)}
          <Row name="Closing" amount={own.at(-1)?.closing ?? 0} currency={currency} strong />
        </dl>
      </section>
    </div>
  );
}

function Row({ name, amount, currency, signed, strong }: { name: string; amount: number | bigint; currency: string; signed?: boolean; strong?: boolean }) {
  return (
    <div className={cx("flex justify-between gap-4 py-2", strong && "font-semibold")}>
      <dt className={strong ? undefined : "text-soft"}>{name}</dt>
      <dd><Money amount={amount} currency={currency} signed={signed} className={BigInt(amount) === 0n ? "text-faint" : undefined} /></dd>
    </div>
  );
}

/** Webhooks that are disabled or have deliveries that were given up. */
function Failing() {
  const hooks = useGet<{ data: Webhook[] }>("/webhooks");
  const checked = useQueries({
    queries: (hooks.data?.data ?? []).map((hook) => ({
      queryKey: [...keyOf(`/webhooks/${hook.id}/deliveries`, { status: "failed", page_size: 1 }), "one"],
      queryFn: () => get<Page<Delivery>>(`/webhooks/${hook.id}/deliveries`, { status: "failed", page_size: 1 }),
      staleTime: 60_000,
    })),
  });
  const bad = (hooks.data?.data ?? []).filter((hook, i) => hook.disabled || (checked[i]?.data?.items.length ?? 0) > 0);
  if (bad.length === 0) return null;
  return (
    <div className="rounded-xl bg-warn-tint text-warn px-4 py-3 mb-5 flex gap-3">
      <TriangleAlert size={18} className="shrink-0 mt-0.5" aria-hidden />
      <div className="min-w-0">
        <p className="font-semibold">{bad.length === 1 ? "A webhook needs attention" : `${bad.length} webhooks need attention`}</p>
        <ul>
          {bad.map((hook) => (
            <li key={hook.id} className="truncate">
              <Link to="/webhooks/$id" params={{ id: hook.id }} className="underline">{hook.url}</Link> {hook.disabled ? "is disabled" : "has deliveries that were given up"}
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}

/** Wallets whose last alert of the month says that they are low. */
function LowBalances({ thresholds }: { thresholds: boolean }) {
  const since = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 31 * 86_400_000).toISOString();
  const alerts = useGet<Page<Event>>("/events", { types: "wallet.balance_low,wallet.balance_recovered", created_at_gte: since, page_size: 100 }, { every: 60_000 });
  const last = new Map<string, Event>();
  for (const event of alerts.data?.items ?? []) {
    const at = event.data as { customer_id?: string; currency?: string };
    const wallet = `${at.customer_id} ${at.currency}`;
    last.delete(wallet); // so that the newest comes last
    last.set(wallet, event);
  }
  const low = [...last.values()].filter((e) => e.type === "wallet.balance_low").reverse();
  return (
    <Panel title="Low balances" to="/events">
      {alerts.error ? <Failure error={alerts.error} /> : !alerts.data ? <div className="p-4"><Skeleton className="h-32 w-full" /></div> :
        low.length === 0 ? (thresholds ? <Empty title="No wallet is low">None has fallen below a threshold within a month.</Empty> : (
          <Empty title="No threshold is set" command={thresholdCommand()}>Be told of wallets that run low:</Empty>
        )) : <ul className="divide-y divide-line">{low.slice(0, 8).map((e) => <li key={e.id} className="px-4 py-2.5"><LowLine event={e} /></li>)}</ul>}
    </Panel>
  );
}

function LowLine({ event }: { event: Event }) {
  const at = event.data as { customer_id: string; currency: string };
  const customer = useGet<Customer>(`/customers/${at.customer_id}`);
  const wallets = useGet<WalletList>(`/customers/${at.customer_id}/wallets`);
  const wallet = wallets.data?.items.find((w) => w.currency === at.currency);
  return (
    <div className="flex items-center gap-3 min-w-0">
      <Link to="/customers/$id" params={{ id: at.customer_id }} search={{ currency: at.currency } as never} className="truncate flex-1 hover:underline" dir="auto">{customer.data?.name ?? at.customer_id}</Link>
      <span className="text-sm text-soft hidden sm:inline"><Time at={event.timestamp} /></span>
      {wallet ? <Money amount={wallet.available} currency={at.currency} className="text-bad" /> : <Skeleton className="h-4 w-16" />}
    </div>
  );
}

function thresholdCommand(): string {
  return [`curl -X PATCH ${serverURL}/business \\`, `  -H "Authorization: Bearer $BILLFOLD_API_KEY" \\`, `  -H "Content-Type: application/json" \\`,
    `  -d '{"alerts": {"USD": [{"below": 500, "recover_at": 1000}]}}'`].join("\n");
}

function Panel({ title, to, children }: { title: string; to: "/events" | "/payments"; children: React.ReactNode }) {
  return (
    <section className="card overflow-hidden" aria-label={title}>
      <header className="flex items-center justify-between px-4 h-12 border-b border-line">
        <h2 className="font-semibold">{title}</h2>
        <Link to={to} className="text-sm text-soft hover:text-ink inline-flex items-center gap-1">All<span className="sr-only"> {title.toLowerCase()}</span><ArrowUpRight size={14} aria-hidden /></Link>
      </header>
      {children}
    </section>
  );
}

function LatestEvents() {
  const since = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 86_400_000).toISOString();
  const events = useGet<Page<Event>>("/events", { created_at_gte: since, page_size: 100 }, { every: 30_000 });
  const shown = events.data?.items.slice(-8).reverse();
  return (
    <Panel title="Events of the last day" to="/events">
      {events.error ? <Failure error={events.error} /> : !shown ? <div className="p-4"><Skeleton className="h-32 w-full" /></div> :
        shown.length === 0 ? <Empty title="A quiet day">Nothing has happened since yesterday.</Empty> :
        <ul className="divide-y divide-line">{shown.map((e) => <li key={e.id} className="px-4 py-2.5"><EventLine event={e} /></li>)}</ul>}
    </Panel>
  );
}

function LatestPayments() {
  const payments = useGet<Page<Payment>>("/payments", { page_size: 8 });
  return (
    <Panel title="Latest payments" to="/payments">
      {payments.error ? <Failure error={payments.error} /> : !payments.data ? <div className="p-4"><Skeleton className="h-32 w-full" /></div> :
        payments.data.items.length === 0 ? <Empty title="No payments yet">Invoices are paid from wallets first, and then by card.</Empty> : (
          <ul className="divide-y divide-line">
            {payments.data.items.map((p) => (
              <li key={p.payment_id} className="relative px-4 h-11 flex items-center gap-3 hover:bg-sunken">
                <Link to="/payments/$id" params={{ id: p.payment_id }} className="flex-1 truncate after:absolute after:inset-0" dir="auto">{p.customer.name}</Link>
                <span className="text-sm text-soft hidden sm:inline"><Time at={p.created_at} /></span>
                <Status of={p.status} />
                <Money amount={p.total_amount} currency={p.currency} />
              </li>
            ))}
          </ul>
        )}
    </Panel>
  );
}
