import { useList } from "../api/queries";
import type { Hold, Lot } from "../api/types";
import { useFilters } from "../app/search";
import { Badge, Button, Empty, Status, words } from "../ui/base";
import { ago, Money, Time } from "../ui/show";

interface Of {
  id: string;
  currency: string;
}

/** The open lots of a wallet in the order in which they are spent. */
export function Lots({ id, currency }: Of) {
  const [{ as_of = "" }] = useFilters();
  const list = useList<Lot>(`/customers/${id}/wallets/${currency}/lots`, { as_of }, { size: 20 });
  return (
    <section className="card overflow-hidden" aria-label="Lots">
      <header className="px-4 py-3 border-b border-line">
        <h2 className="font-semibold">Lots</h2>
        <p className="text-sm text-soft">What credits left to spend, in the order in which it is spent{as_of ? ", as it was" : ""}.</p>
      </header>
      {list.rows?.length === 0 && <Empty title="No open lots">A credit opens one, debits use it up.</Empty>}
      <ul className="divide-y divide-line">
        {list.rows?.map((lot) => (
          <li key={lot.lot_seq} className="flex items-center gap-3 px-4 py-2.5">
            <span className="num text-soft">{lot.lot_seq.toLocaleString("en")}</span>
            <Badge tone={lot.category === "promotional" ? "promo" : "neutral"}>{words(lot.category)}</Badge>
            <span className="text-sm text-soft flex-1 truncate">
              {lot.expired ? "Expired" : lot.expires_at ? <span title={lot.expires_at}>Expires {ago(lot.expires_at)}</span> : "Never expires"}
            </span>
            <Money amount={lot.remaining} currency={currency} className={lot.expired ? "text-faint line-through" : undefined} />
          </li>
        ))}
      </ul>
      {list.more && <div className="p-2 text-center border-t border-line"><Button small look="quiet" busy={list.loadingMore} onClick={list.more}>Show more</Button></div>}
    </section>
  );
}

/** What of a wallet is promised, and what became of earlier promises. */
export function Holds({ id, currency }: Of) {
  const list = useList<Hold>(`/customers/${id}/wallets/holds`, { currency }, { size: 20 });
  return (
    <section className="card overflow-hidden" aria-label="Holds">
      <header className="px-4 py-3 border-b border-line">
        <h2 className="font-semibold">Holds</h2>
        <p className="text-sm text-soft">Money that is promised to something not finished.</p>
      </header>
      {list.rows?.length === 0 && <Empty title="No holds">An invoice being charged or a job being metered makes one.</Empty>}
      <ul className="divide-y divide-line">
        {list.rows?.map((hold) => (
          <li key={hold.hold_id} className="px-4 py-2.5 grid gap-0.5">
            <div className="flex items-center gap-3">
              <Status of={hold.status} />
              <span className="flex-1 truncate" dir="auto">{hold.reason ?? hold.reference_object_id ?? hold.hold_id}</span>
              <Money amount={hold.amount} currency={currency} />
            </div>
            <p className="text-sm text-soft">
              <Time at={hold.created_at} />
              {hold.captured > 0 && <>, captured <Money amount={hold.captured} currency={currency} /></>}
              {hold.released > 0 && <>, released <Money amount={hold.released} currency={currency} /></>}
              {hold.status === "active" && <>, expires {ago(hold.expires_at)}</>}
            </p>
          </li>
        ))}
      </ul>
      {list.more && <div className="p-2 text-center border-t border-line"><Button small look="quiet" busy={list.loadingMore} onClick={list.more}>Show more</Button></div>}
    </section>
  );
}
