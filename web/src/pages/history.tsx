import { CalendarClock } from "lucide-react";
import { useMemo, useState } from "react";
import { useGet } from "../api/queries";
import type { WalletAsOf, WalletHistory } from "../api/types";
import { useFilters } from "../app/search";
import { Button, Choice, Failure, Skeleton } from "../ui/base";
import { Chart } from "../ui/chart";
import { dayText, Money, Time } from "../ui/show";

const spans = [["30", "30 days"], ["90", "90 days"], ["365", "1 year"]] as const;
const dayOf = (at: number) => new Date(at).toISOString().slice(0, 10);

interface Props {
  id: string;
  currency: string;
  seq: number;
  since: string;
}

/** The balance of a wallet by day, and the way back to any instant of it. */
export default function History({ id, currency, seq, since }: Props) {
  const [filters, setFilters] = useFilters();
  const [hover, setHover] = useState<number | null>(null);
  const span = filters.span ?? "90";
  const end = dayOf(Date.now() + 86_400_000); // the day behind the last
  const from = dayOf(Date.now() - (Number(span) - 1) * 86_400_000);
  const history = useGet<WalletHistory>(`/customers/${id}/wallets/${currency}/history`, { from, to: end }, { keep: true, enabled: seq > 0 });
  const asOf = filters.as_of ?? "";
  const past = useGet<WalletAsOf>(`/customers/${id}/wallets/${currency}`, { as_of: asOf }, { enabled: !!asOf });
  const items = history.data?.items;
  const days = useMemo(() => items?.map((d) => d.date) ?? [], [items]);
  const series = useMemo(() => [{ name: "Balance", values: items?.map((d) => d.closing_balance) ?? [], color: "accent" as const, kind: "line" as const }], [items]);
  if (seq === 0) return null;
  const day = items && (hover !== null ? items[hover] : items.at(-1));
  return (
    <section className="card p-4" aria-label="History">
      <header className="flex flex-wrap items-center gap-2 mb-3">
        <h2 className="font-semibold mr-auto">Balance over time</h2>
        <Choice label="Period" value={span as "30"} of={spans} onChange={(next) => setFilters({ span: next })} />
      </header>
      {history.error ? <Failure error={history.error} retry={() => void history.refetch()} /> : !items ? <Skeleton className="h-55 w-full" /> : (
        <Chart label={`Balance of the ${currency} wallet by day, now ${day ? day.closing_balance : 0} minor units`} days={days} series={series} currency={currency}
          onHover={setHover} onPick={(i) => setFilters({ as_of: `${days[i]}T23:59:59.999999Z` })} />
      )}
      <div className="mt-2 min-h-6 text-sm text-soft flex flex-wrap gap-x-5 gap-y-1">
        {day && (
          <>
            <span className="text-ink font-medium">{dayText(day.date)}</span>
            <span>In <Money amount={day.credited ?? 0} currency={currency} className="text-good" /></span>
            <span>Out <Money amount={day.debited ?? 0} currency={currency} className="text-ink" /></span>
            {!!day.expired && <span>Expired <Money amount={day.expired} currency={currency} className="text-warn" /></span>}
            <span>Closing <Money amount={day.closing_balance} currency={currency} className="text-ink" /></span>
          </>
        )}
      </div>
      <div className="mt-3 pt-3 border-t border-line flex flex-wrap items-center gap-3">
        <label className="inline-flex items-center gap-2 text-sm text-soft">
          <CalendarClock size={16} aria-hidden />Look at
          <input type="datetime-local" aria-label="Look at the wallet as it was at" step={1} className="h-8 rounded-lg border border-edge bg-surface px-2 text-sm text-ink"
            min={since.slice(0, 16)} value={asOf ? localOf(asOf) : ""}
            onChange={(e) => setFilters({ as_of: e.target.value ? new Date(e.target.value).toISOString() : "" })} />
        </label>
        {asOf && past.data && (
          <p className="text-sm"><Time at={asOf} />: <Money amount={past.data.balance} currency={currency} className="font-semibold" />
            <span className="text-soft"> after {past.data.seq.toLocaleString("en")} {past.data.seq === 1 ? "entry" : "entries"}</span></p>
        )}
        {asOf && past.error && <p role="alert" className="text-sm text-bad">{past.error.message}</p>}
        {asOf && <Button small onClick={() => setFilters({ as_of: "" })}>Back to now</Button>}
      </div>
    </section>
  );
}

/** An instant as the browser's field for times takes it, in the reader's time zone. */
function localOf(at: string): string {
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
