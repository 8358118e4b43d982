import { Link, useParams } from "@tanstack/react-router";
import { Download, FileText } from "lucide-react";
import { lazy, useMemo, useState, type ReactNode } from "react";
import { download, serverURL, type Query } from "../api/client";
import { useGet } from "../api/queries";
import type { AgeingRow, BalanceTrendRow, BreakageRow, CohortRow, LiabilityRow, TrialBalanceRow } from "../api/types";
import { useFilters } from "../app/search";
import { Badge, Button, Choice, Command, cx, Empty, Failure, Heading, Select, Skeleton, words } from "../ui/base";
import { Sheet, Share, type SheetColumn } from "../ui/sheet";
import { dayText, Later, Money } from "../ui/show";
import { toast } from "../ui/toast";
import { Day, dayIn, PeriodPicker, usePeriod } from "./period";

const Chart = lazy(() => import("../ui/chart").then((m) => ({ default: m.Chart })));

const reports = [
  ["liability", "Liability", "What is owed to customers, and how it came to be. It ties to the ledger to the cent."],
  ["ageing", "Ageing", "What is owed, by when it expires."],
  ["breakage", "Breakage", "What expired, beside all that left wallets."],
  ["balances", "Balances", "What all wallets together had at the end of each period."],
  ["cohorts", "Cohorts", "What became of money, by the month in which it came in."],
  ["trial-balance", "Trial balance", "Every account of the ledger, in debits and credits."],
  ["journal", "Journal", "Every entry in double entry, for an accounting package."],
] as const;
type Name = (typeof reports)[number][0];

export function Reports() {
  const { name = "liability" } = useParams({ strict: false }) as { name?: string };
  const report = reports.find(([known]) => known === name) ?? reports[0];
  const [filters] = useFilters();
  const { zone, period, from, to, currency } = filters;
  const kept = Object.fromEntries(Object.entries({ zone, period, from, to, currency }).filter(([, v]) => v));
  return (
    <>
      <Heading title="Reports" sub={report[2]} />
      <nav aria-label="Reports" className="flex gap-5 border-b border-line mb-5 overflow-x-auto">
        {reports.map(([known, text]) => (
          <Link key={known} to="/reports/$name" params={{ name: known }} search={kept as never} aria-current={known === report[0] ? "page" : undefined}
            className={cx("py-2.5 -mb-px border-b-2 font-medium whitespace-nowrap", known === report[0] ? "border-accent text-ink" : "border-transparent text-soft hover:text-ink")}>
            {text}
          </Link>
        ))}
      </nav>
      {pages[report[0]]()}
    </>
  );
}

const pages: Record<Name, () => ReactNode> = {
  liability: () => <Liability />, ageing: () => <Ageing />, breakage: () => <Breakage />, balances: () => <Balances />,
  cohorts: () => <Cohorts />, "trial-balance": () => <TrialBalance />, journal: () => <Journal />,
};

interface FrameProps<T> {
  name: Name;
  query: Query;
  controls: ReactNode;
  children: (rows: T[], currency: string) => ReactNode;
  used?: (row: T) => boolean; // whether a row has a figure that is not zero
}

/** What all reports have: their filters, one currency of them, downloads, and a first page that says how to begin. */
function Frame<T extends { currency: string }>({ name, query, controls, children, used }: FrameProps<T>) {
  const [filters, setFilters] = useFilters();
  const found = useGet<{ items: T[] }>(`/reports/${name}`, query, { keep: true });
  const rows = found.data?.items;
  const currencies = [...new Set((rows ?? []).filter(used ?? (() => true)).map((r) => r.currency))].sort();
  const currency = currencies.includes(filters.currency ?? "") ? filters.currency! : currencies[0];
  return (
    <>
      <div className="flex flex-wrap items-center gap-2 mb-5">
        {controls}
        {currencies.length > 1 && <Choice label="Currency" value={currency ?? ""} of={currencies.map((c) => [c, c] as const)} onChange={(next) => setFilters({ currency: next })} />}
        <div className="ml-auto flex gap-2"><Save name={name} query={query} format="csv" /><Save name={name} query={query} format="pdf" /></div>
      </div>
      {found.error && !rows ? <div className="card"><Failure error={found.error} retry={() => void found.refetch()} /></div> :
        !rows ? <Skeleton className="h-80 w-full" /> :
        !currency ? (
          <div className="card"><Empty title="Nothing to report yet" command={curl(name, query)}>No money moved until then. The same report by the API:</Empty></div>
        ) : <div className="grid gap-6">{children(rows.filter((r) => r.currency === currency), currency)}</div>}
    </>
  );
}

function curl(name: Name, query: Query): string {
  const search = new URLSearchParams(Object.entries(query).filter(([, v]) => v).map(([k, v]) => [k, String(v)])).toString();
  return `curl "${serverURL}/reports/${name}${search ? "?" + search : ""}" \\\n  -H "Authorization: Bearer $BILLFOLD_API_KEY"`;
}

function Save({ name, query, format }: { name: Name; query: Query; format: "csv" | "pdf" }) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      await download(`/reports/${name}`, { ...query, ...(name === "journal" ? {} : { format }) }, `${name}.${format}`);
    } catch (error) {
      toast((error as Error).message, true);
    }
    setBusy(false);
  };
  return <Button small busy={busy} onClick={() => void run()}>{format === "csv" ? <Download size={14} aria-hidden /> : <FileText size={14} aria-hidden />}{format.toUpperCase()}</Button>;
}

/** The time of a report and the steps in which it goes through it. */
function useSteps(): { query: Query; by: "day" | "month"; controls: ReactNode } {
  const [filters, setFilters] = useFilters();
  const { from, to, zone } = usePeriod();
  const days = (Date.parse(to) - Date.parse(from)) / 86_400_000;
  const by = days > 366 ? "month" : filters.by === "day" || filters.by === "month" ? filters.by : days > 62 ? "month" : "day";
  return {
    query: { from, to, zone: zone === "UTC" ? "" : zone, by }, by,
    controls: <><PeriodPicker /><Choice label="Steps" value={by} of={[["day", "By day"], ["month", "By month"]]} onChange={(next) => setFilters({ by: next })} /></>,
  };
}

const monthName = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric", timeZone: "UTC" });

/** What a step is called: the day or the month that it begins with. */
function stepName(from: string, by: "day" | "month", zone: string): string {
  const day = dayIn(zone, new Date(from));
  return by === "day" ? dayText(day) : monthName.format(new Date(day));
}

const total = <T,>(rows: T[], of: (row: T) => number) => rows.reduce((sum, row) => sum + BigInt(of(row)), 0n);

function Figures({ of }: { of: (readonly [string, ReactNode])[] }) {
  return (
    <dl className="grid gap-3 grid-cols-2 lg:grid-cols-4">
      {of.map(([name, value]) => <div key={name} className="card p-4"><dt className="text-sm text-soft">{name}</dt><dd className="mt-1 text-lg font-semibold num truncate">{value}</dd></div>)}
    </dl>
  );
}

function Panel({ title, sub, side, children, flush }: { title: string; sub?: ReactNode; side?: ReactNode; children: ReactNode; flush?: boolean }) {
  return (
    <section className="card overflow-hidden" aria-label={title}>
      <header className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3 border-b border-line">
        <div className="mr-auto"><h2 className="font-semibold">{title}</h2>{sub && <p className="text-sm text-soft">{sub}</p>}</div>{side}
      </header>
      {flush ? children : <div className="p-4">{children}</div>}
    </section>
  );
}

const money = (amount: number | bigint, currency: string, signed = false) => (
  <Money amount={amount} currency={currency} signed={signed} className={BigInt(amount) === 0n ? "text-faint" : undefined} />
);

const moves = [["funded", "Funded"], ["promoted", "Promotional"], ["spent", "Spent"], ["refunded", "Refunded"], ["expired", "Expired"],
  ["disputed", "Disputed"], ["adjusted", "Adjusted"]] as const;
const kinds = [["all", "All money"], ["paid", "Paid"], ["promotional", "Promotional"]] as const;

function Liability() {
  const { query, by, controls } = useSteps();
  return (
    <Frame<LiabilityRow> name="liability" query={query} controls={controls} used={(r) => r.entries > 0 || r.opening !== 0 || r.closing !== 0}>
      {(rows, currency) => <LiabilityOf rows={rows} currency={currency} by={by} />}
    </Frame>
  );
}

function LiabilityOf({ rows, currency, by }: { rows: LiabilityRow[]; currency: string; by: "day" | "month" }) {
  const [filters, setFilters] = useFilters();
  const { zone } = usePeriod();
  const kind = filters.kind ?? "all";
  const own = useMemo(() => rows.filter((r) => r.category === kind), [rows, kind]);
  const days = useMemo(() => own.map((r) => r.from.slice(0, 10)), [own]);
  const series = useMemo(() => [{ name: "Owed", values: own.map((r) => r.closing), color: "accent" as const, kind: "line" as const }], [own]);
  const columns: SheetColumn<LiabilityRow>[] = [
    { head: by === "day" ? "Day" : "Month", left: true, cell: (r) => stepName(r.from, by, zone), foot: "All of it" },
    { head: "Opening", cell: (r) => money(r.opening, currency), foot: money(own[0]?.opening ?? 0, currency) },
    ...moves.map(([name, text]) => ({ head: text, cell: (r: LiabilityRow) => money(r[name], currency, true), foot: money(total(own, (r) => r[name]), currency, true) })),
    { head: "Closing", strong: true, cell: (r) => money(r.closing, currency), foot: money(own.at(-1)?.closing ?? 0, currency) },
  ];
  return (
    <>
      <div className="grid gap-6 xl:grid-cols-2 items-start">
        <div className="min-w-0"><Panel title={`Owed to customers, at the end of each ${by}`}>
          <Later className="h-88"><Chart label={`What is owed in ${currency} at the end of each ${by}`} days={days} series={series} currency={currency} height={352} /></Later>
        </Panel></div>
        <div className="min-w-0"><Panel title="Roll-forward" sub={`All of the period, in ${currency}`} flush><Forward rows={rows} currency={currency} /></Panel></div>
      </div>
      <Panel title={`By ${by}`} flush side={<Select label="Kind of money" value={kind} onChange={(next) => setFilters({ kind: next })} of={kinds} />}>
        <Sheet label={`Liability by ${by}`} columns={columns} rows={own} keyOf={(r) => r.from} />
      </Panel>
    </>
  );
}

/** From what was owed at first to what is owed at last, for each kind of money. */
function Forward({ rows, currency }: { rows: LiabilityRow[]; currency: string }) {
  const of = (kind: string) => rows.filter((r) => r.category === kind);
  const parts = { paid: of("paid"), promotional: of("promotional"), all: of("all") };
  type Line = { name: string; at: (rows: LiabilityRow[]) => number | bigint; signed: boolean };
  const lines: Line[] = [
    { name: "Opening", at: (r) => r[0]?.opening ?? 0, signed: false },
    ...moves.map(([name, text]) => ({ name: text, at: (r: LiabilityRow[]) => total(r, (row) => row[name]), signed: true })),
  ];
  const closing = (r: LiabilityRow[]) => money(r.at(-1)?.closing ?? 0, currency);
  const column = (head: string, part: LiabilityRow[], strong?: boolean): SheetColumn<Line> => ({ head, strong, cell: (l) => money(l.at(part), currency, l.signed), foot: closing(part) });
  return <Sheet label="Roll-forward" rows={lines} keyOf={(l) => l.name} columns={[
    { head: "", left: true, cell: (l) => l.name, foot: "Closing" }, column("Paid", parts.paid), column("Promotional", parts.promotional), column("All", parts.all, true),
  ]} />;
}

const buckets: Record<AgeingRow["bucket"], string> = {
  overdue: "Expired, not yet written off", "0-29": "Within 30 days", "30-59": "30 to 59 days", "60-89": "60 to 89 days", "90-179": "90 to 179 days",
  "180-364": "180 to 364 days", later: "A year or later", never: "Never",
};

function Ageing() {
  const [filters, setFilters] = useFilters();
  const day = filters.on ?? "";
  const today = dayIn("UTC");
  return (
    <Frame<AgeingRow> name="ageing" query={{ as_of: day && day < today ? day + "T23:59:59.999999Z" : "" }} used={(r) => r.owed !== 0}
      controls={<><span className="text-sm text-soft">At the end of</span><Day label="At the end of" value={day || today} onChange={(next) => setFilters({ on: next < today ? next : "" })} /></>}>
      {(rows, currency) => {
        const of = (bucket: string, kind: string) => BigInt(rows.find((r) => r.bucket === bucket && r.category === kind)?.owed ?? 0);
        const all = (kind: string) => total(rows.filter((r) => r.category === kind), (r) => r.owed);
        const shown = (Object.keys(buckets) as AgeingRow["bucket"][]).filter((b) => b !== "overdue" || of(b, "all") !== 0n);
        const soon = of("0-29", "all");
        return (
          <>
            <Figures of={[["Owed", money(all("all"), currency)], ["Paid", money(all("paid"), currency)], ["Promotional", money(all("promotional"), currency)], ["Expires within 30 days", money(soon, currency)]]} />
            <Panel title="By when it expires" flush>
              <Sheet label="Ageing" rows={shown} keyOf={(b) => b} columns={[
                { head: "Expires", left: true, cell: (b) => buckets[b], foot: "Owed" },
                { head: "Paid", cell: (b) => money(of(b, "paid"), currency), foot: money(all("paid"), currency) },
                { head: "Promotional", cell: (b) => money(of(b, "promotional"), currency), foot: money(all("promotional"), currency) },
                { head: "All", strong: true, cell: (b) => money(of(b, "all"), currency), foot: money(all("all"), currency) },
                { head: "Share", left: true, cell: (b) => <Share of={of(b, "all")} whole={all("all")} tone={b === "0-29" || b === "overdue" ? "warn" : "accent"} />, foot: "" },
              ]} />
            </Panel>
          </>
        );
      }}
    </Frame>
  );
}

/** Hundredths of a percent as people read them. */
function percent(rate: bigint | number | null): string {
  if (rate === null) return "–";
  const hundredths = BigInt(rate);
  return `${hundredths / 100n}.${(hundredths % 100n).toString().padStart(2, "0")} %`;
}

function Breakage() {
  const { query, by, controls } = useSteps();
  const [filters, setFilters] = useFilters();
  const { zone } = usePeriod();
  const kind = filters.kind ?? "all";
  return (
    <Frame<BreakageRow> name="breakage" query={query} controls={controls} used={(r) => r.left !== 0}>
      {(every, currency) => {
        const rows = every.filter((r) => r.category === kind);
        const [expired, left] = [total(rows, (r) => r.expired), total(rows, (r) => r.left)];
        const rate = left > 0n ? (expired * 10_000n) / left : null;
        return (
          <>
            <Figures of={[["Expired", money(expired, currency)], ["Left wallets in all", money(left, currency)], ["Breakage", percent(rate)], ["Expiries", total(rows, (r) => r.entries).toLocaleString("en")]]} />
            <Panel title={`By ${by}`} flush side={<Select label="Kind of money" value={kind} onChange={(next) => setFilters({ kind: next })} of={kinds} />}>
              <Sheet label={`Breakage by ${by}`} rows={rows} keyOf={(r) => r.from} columns={[
                { head: by === "day" ? "Day" : "Month", left: true, cell: (r) => stepName(r.from, by, zone), foot: "All of it" },
                { head: "Expired", cell: (r) => money(r.expired, currency), foot: money(expired, currency) },
                { head: "Left wallets", cell: (r) => money(r.left, currency), foot: money(left, currency) },
                { head: "Breakage", strong: true, cell: (r) => <span className={r.rate ? undefined : "text-faint"}>{percent(r.rate)}</span>, foot: percent(rate) },
                { head: "", left: true, cell: (r) => <Share of={BigInt(r.expired)} whole={BigInt(r.left)} tone="warn" />, foot: "" },
              ]} />
            </Panel>
          </>
        );
      }}
    </Frame>
  );
}

function Balances() {
  const { query, by, controls } = useSteps();
  return (
    <Frame<BalanceTrendRow> name="balances" query={query} controls={controls} used={(r) => r.balance !== 0 || r.credited !== 0 || r.debited !== 0}>
      {(rows, currency) => <BalancesOf rows={rows} currency={currency} by={by} />}
    </Frame>
  );
}

function BalancesOf({ rows, currency, by }: { rows: BalanceTrendRow[]; currency: string; by: "day" | "month" }) {
  const { zone } = usePeriod();
  const days = useMemo(() => rows.map((r) => r.from.slice(0, 10)), [rows]);
  const series = useMemo(() => [{ name: "Balance", values: rows.map((r) => r.balance), color: "accent" as const, kind: "line" as const }], [rows]);
  return (
    <>
      <Panel title={`All wallets together, at the end of each ${by}`}>
        <Later className="h-60"><Chart label={`What all wallets had in ${currency} at the end of each ${by}`} days={days} series={series} currency={currency} height={240} /></Later>
      </Panel>
      <Panel title={`By ${by}`} flush>
        <Sheet label={`Balances by ${by}`} rows={rows} keyOf={(r) => r.from} columns={[
          { head: by === "day" ? "Day" : "Month", left: true, cell: (r) => stepName(r.from, by, zone), foot: "All of it" },
          { head: "Credited", cell: (r) => money(r.credited, currency), foot: money(total(rows, (r) => r.credited), currency) },
          { head: "Debited", cell: (r) => money(r.debited, currency), foot: money(total(rows, (r) => r.debited), currency) },
          { head: "Paid", cell: (r) => money(r.paid, currency), foot: "" },
          { head: "Promotional", cell: (r) => money(r.promotional, currency), foot: "" },
          { head: "Balance", strong: true, cell: (r) => money(r.balance, currency), foot: money(rows.at(-1)?.balance ?? 0, currency) },
        ]} />
      </Panel>
    </>
  );
}

function Cohorts() {
  const { from, to, zone } = usePeriod();
  return (
    <Frame<CohortRow> name="cohorts" query={{ from, to, zone: zone === "UTC" ? "" : zone }} controls={<PeriodPicker />}>
      {(rows, currency) => (["paid", "promotional"] as const).filter((kind) => rows.some((r) => r.category === kind)).map((kind) => {
        const own = rows.filter((r) => r.category === kind);
        const sum = (of: (r: CohortRow) => number) => money(total(own, of), currency);
        return (
          <Panel key={kind} title={kind === "paid" ? "Paid money" : "Promotional money"} sub="By the month of UTC in which it came in" flush>
            <Sheet label={`Cohorts of ${kind} money`} rows={own} keyOf={(r) => r.funded_in} columns={[
              { head: "Came in", left: true, cell: (r) => monthName.format(new Date(r.funded_in + "-01")), foot: "All of it" },
              { head: "Opening", cell: (r) => money(r.opening, currency), foot: sum((r) => r.opening) },
              { head: "Credited", cell: (r) => money(r.credited, currency), foot: sum((r) => r.credited) },
              { head: "Debited", cell: (r) => money(r.debited, currency), foot: sum((r) => r.debited) },
              { head: "Left", strong: true, cell: (r) => money(r.closing, currency), foot: sum((r) => r.closing) },
              { head: "Left of it", left: true, cell: (r) => <Share of={BigInt(r.closing)} whole={BigInt(r.opening) + BigInt(r.credited)} tone={kind === "paid" ? "accent" : "promo"} />, foot: "" },
            ]} />
          </Panel>
        );
      })}
    </Frame>
  );
}

function TrialBalance() {
  const { from, to, zone } = usePeriod();
  return (
    <Frame<TrialBalanceRow> name="trial-balance" query={{ from, to, zone: zone === "UTC" ? "" : zone }} controls={<PeriodPicker />}>
      {(rows, currency) => {
        const sum = (of: (r: TrialBalanceRow) => number) => total(rows, of);
        const tied = sum((r) => r.closing) === 0n && sum((r) => r.opening) === 0n;
        return (
          <Panel title={`Accounts in ${currency}`} sub="Balances are credits less debits" flush
            side={tied ? <Badge tone="good">Sums to zero</Badge> : <Badge tone="bad">Does not sum to zero</Badge>}>
            <Sheet label="Trial balance" rows={rows} keyOf={(r) => r.account} columns={[
              { head: "Account", left: true, cell: (r) => words(r.account), foot: "All accounts" },
              { head: "Opening", cell: (r) => money(r.opening, currency), foot: money(sum((r) => r.opening), currency) },
              { head: "Debit", cell: (r) => money(r.debit, currency), foot: money(sum((r) => r.debit), currency) },
              { head: "Credit", cell: (r) => money(r.credit, currency), foot: money(sum((r) => r.credit), currency) },
              { head: "Closing", strong: true, cell: (r) => money(r.closing, currency), foot: money(sum((r) => r.closing), currency) },
            ]} />
          </Panel>
        );
      }}
    </Frame>
  );
}

const journalColumns = ["entry_id", "leg", "time", "account", "debit", "credit", "currency", "customer_id", "seq", "event_type", "reference_object_id", "description"];

function Journal() {
  const { from, to, zone } = usePeriod();
  const query = { from, to, zone: zone === "UTC" ? "" : zone };
  return (
    <>
      <div className="flex flex-wrap items-center gap-2 mb-5"><PeriodPicker /></div>
      <section className="card p-5 grid gap-4 max-w-3xl" aria-label="Journal">
        <div className="flex flex-wrap items-center gap-3">
          <div className="mr-auto"><h2 className="font-semibold">Export of every entry</h2><p className="text-soft">A row for each leg, in the order in which entries were made. The legs of an entry are equal.</p></div>
          <Save name="journal" query={query} format="csv" />
        </div>
        <div className="flex flex-wrap gap-1.5" aria-label="Columns">{journalColumns.map((c) => <span key={c} className="font-mono text-xs rounded bg-sunken px-1.5 py-0.5 text-soft">{c}</span>)}</div>
        <Command text={curl("journal", query) + " \\\n  -o journal.csv"} />
      </section>
    </>
  );
}
