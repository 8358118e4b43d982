import { Minus, Plus } from "lucide-react";
import { lazy, useState } from "react";
import { useGet } from "../api/queries";
import type { Customer, LotList, Wallet, WalletList } from "../api/types";
import { useFilters } from "../app/search";
import { useSigned } from "../app/session";
import { Button, cx, Failure, Skeleton } from "../ui/base";
import { ago, BigMoney, Later, Money } from "../ui/show";
import { EntryDrawer } from "./entry";
import { Ledger } from "./ledger";
import { Holds, Lots } from "./lots";
import { Move } from "./move";

const History = lazy(() => import("./history"));

/** The wallets of a customer, one of which is looked at closely. */
export function Wallets({ id, customer }: { id: string; customer: Customer | undefined }) {
  const [filters, setFilters] = useFilters();
  const { may } = useSigned();
  const wallets = useGet<WalletList>(`/customers/${id}/wallets`);
  const [moving, setMoving] = useState<"credit" | "debit" | null>(null);
  if (wallets.error && !wallets.data) return <Failure error={wallets.error} retry={() => void wallets.refetch()} />;
  const items = wallets.data?.items;
  const chosen = items?.find((w) => w.currency === filters.currency) ?? items?.find((w) => w.seq > 0) ?? items?.[0];
  return (
    <div className="grid gap-6">
      <section aria-label="Balances" className="grid gap-3 grid-cols-1 sm:grid-cols-2 xl:grid-cols-3">
        {items ? items.map((w) => (
          <Card key={w.currency} id={id} wallet={w} chosen={w === chosen} onChoose={() => setFilters({ currency: w.currency, as_of: "" })} />
        )) : [1, 2].map((i) => <div key={i} className="card p-5"><Skeleton className="h-4 w-16" /><Skeleton className="h-8 w-36 mt-3" /><Skeleton className="h-16 w-full mt-4" /></div>)}
      </section>
      {chosen && (
        <>
          {may("money") && (
            <div className="flex flex-wrap gap-2">
              <Button look="primary" onClick={() => setMoving("credit")}><Plus size={16} aria-hidden />Add funds</Button>
              <Button onClick={() => setMoving("debit")}><Minus size={16} aria-hidden />Deduct funds</Button>
            </div>
          )}
          <Later className="h-72"><History key={chosen.currency} id={id} currency={chosen.currency} seq={chosen.seq} since={chosen.created_at} /></Later>
          <Ledger key={chosen.currency + "-ledger"} id={id} currency={chosen.currency} />
          <div className="grid gap-6 lg:grid-cols-2 items-start">
            <Lots id={id} currency={chosen.currency} />
            <Holds id={id} currency={chosen.currency} />
          </div>
        </>
      )}
      {moving && chosen && items && (
        <Move kind={moving} id={id} customer={customer} wallets={items} currency={chosen.currency} onClose={() => setMoving(null)} />
      )}
      {filters.entry && <EntryDrawer id={id} entry={filters.entry} onClose={() => setFilters({ entry: "" })} onOpen={(entry) => setFilters({ entry })} />}
    </div>
  );
}

/** How much of what the lots have is paid for and how much promotional, and what expires next. */
export function split(lots: LotList["items"]) {
  let paid = 0n;
  let promotional = 0n;
  let next: string | null = null;
  for (const lot of lots) {
    if (lot.expired) continue;
    if (lot.category === "paid") paid += BigInt(lot.remaining);
    else promotional += BigInt(lot.remaining);
    if (lot.expires_at && (!next || lot.expires_at < next)) next = lot.expires_at;
  }
  return { paid, promotional, next };
}

function Card({ id, wallet, chosen, onChoose }: { id: string; wallet: Wallet; chosen: boolean; onChoose: () => void }) {
  const { currency } = wallet;
  const lots = useGet<LotList>(`/customers/${id}/wallets/${currency}/lots`, { page_size: 100 }, { enabled: wallet.seq > 0 });
  const parts = lots.data && split(lots.data.items);
  const rows: [string, React.ReactNode][] = [
    ["Available", <Money amount={wallet.available} currency={currency} />],
    ["Held", <Money amount={wallet.held} currency={currency} className={wallet.held ? undefined : "text-faint"} />],
  ];
  if (wallet.debt) rows.push(["Owed", <Money amount={wallet.debt} currency={currency} className="text-bad" />]);
  const more = lots.data?.next_cursor ? "at least " : "";
  return (
    <div className={cx("card relative p-5 text-left transition-colors", chosen ? "border-accent ring-1 ring-accent" : "hover:border-edge")}>
      <div className="flex items-center justify-between text-sm text-soft">
        <button type="button" aria-pressed={chosen} onClick={onChoose} className="font-medium after:absolute after:inset-0 after:rounded-xl">
          {currency}<span className="sr-only"> wallet</span>
        </button>
        <span className="num">{wallet.seq.toLocaleString("en")} {wallet.seq === 1 ? "entry" : "entries"}</span>
      </div>
      <p className="mt-2"><span className="sr-only">Balance </span><BigMoney amount={wallet.balance} currency={currency} /></p>
      <dl className="mt-4 grid gap-1.5">
        {rows.map(([name, value]) => <div key={name} className="flex justify-between gap-4"><dt className="text-soft">{name}</dt><dd>{value}</dd></div>)}
      </dl>
      <div className="mt-3 pt-3 border-t border-line grid gap-1.5 text-sm min-h-17">
        {wallet.seq === 0 ? <span className="text-faint">Never used</span> : parts ? (
          <>
            <Bar paid={parts.paid} promotional={parts.promotional} />
            <div className="flex justify-between gap-3 text-soft">
              <span>Paid {more}<Money amount={parts.paid} currency={currency} className="text-ink" /></span>
              <span>Promotional <Money amount={parts.promotional} currency={currency} className="text-ink" /></span>
            </div>
            <span className="text-soft">{parts.next ? `Next expiry ${ago(parts.next)}` : "Nothing expires"}</span>
          </>
        ) : <Skeleton className="h-4 w-full" />}
      </div>
    </div>
  );
}

/** The shares of paid and promotional money. The width is a share of 100 in whole steps. */
function Bar({ paid, promotional }: { paid: bigint; promotional: bigint }) {
  const all = paid + promotional;
  const share = all > 0n ? Number((promotional * 100n) / all) : 0;
  return (
    <div aria-hidden className="h-1.5 rounded-full bg-sunken overflow-hidden flex">
      {all > 0n && <><span className="bg-accent" style={{ width: `${100 - share}%` }} /><span className="bg-promo" style={{ width: `${share}%` }} /></>}
    </div>
  );
}
