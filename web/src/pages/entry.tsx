import { useQueryClient } from "@tanstack/react-query";
import { ArrowRight, Undo2 } from "lucide-react";
import { useState, type FormEvent } from "react";
import { randomKey, send } from "../api/client";
import { useGet } from "../api/queries";
import type { Entry, PostedWallet } from "../api/types";
import { useSigned } from "../app/session";
import { display, parse } from "../money/money";
import { Badge, Button, CopyText, Empty, Facts, Failure, Field, Skeleton, words } from "../ui/base";
import { Modal, ModalBody, ModalFoot, ModalHead } from "../ui/dialog";
import { Money, Raw, Time } from "../ui/show";
import { toast } from "../ui/toast";
import { reasonOf } from "./ledger";

interface Props {
  id: string;
  entry: string;
  onClose: () => void;
  onOpen: (entry: string) => void;
}

/** All that there is to know of one entry. */
export function EntryDrawer({ id, entry, onClose, onOpen }: Props) {
  const found = useGet<Entry>(`/customers/${id}/wallets/ledger-entries/${entry}`);
  const { may } = useSigned();
  const [undoing, setUndoing] = useState(false);
  const e = found.data;
  return (
    <Modal kind="drawer" label="Ledger entry" onClose={onClose}>
      <ModalHead title={e ? <span dir="auto" className="line-clamp-3">{reasonOf(e)}</span> : "Ledger entry"} sub={e && <Time at={e.created_at} />} onClose={onClose} />
      <ModalBody>
        {found.error ? <Failure error={found.error} retry={() => void found.refetch()} /> : !e ? <Skeleton className="h-64 w-full" /> : <Detail e={e} onOpen={onOpen} />}
        {e && undoing && <Reverse e={e} onDone={(made) => { setUndoing(false); onOpen(made); }} />}
      </ModalBody>
      {e && may("money") && !undoing && (
        <ModalFoot><Button onClick={() => setUndoing(true)}><Undo2 size={15} aria-hidden />Reverse this entry</Button></ModalFoot>
      )}
    </Modal>
  );
}

function Detail({ e, onOpen }: { e: Entry; onOpen: (entry: string) => void }) {
  const { currency } = e;
  return (
    <div className="grid gap-5">
      <div className="rounded-xl bg-sunken p-4">
        <div className="flex items-center justify-between gap-3">
          <Money amount={e.is_credit ? e.amount : -e.amount} currency={currency} signed className={e.is_credit ? "text-xl font-semibold text-good" : "text-xl font-semibold"} />
          <Badge tone={e.is_credit ? "good" : "neutral"}>{e.is_credit ? "Credit" : "Debit"}</Badge>
        </div>
        <div className="mt-3 flex flex-wrap items-center gap-x-3 gap-y-1 text-soft">
          <span>Before <Money amount={e.before_balance} currency={currency} className="text-ink" /></span>
          <ArrowRight size={14} aria-hidden />
          <span>After <Money amount={e.after_balance} currency={currency} className="text-ink" /></span>
          <span className="ml-auto">Available <Money amount={e.available} currency={currency} className="text-ink" /></span>
        </div>
      </div>
      <Facts of={[
        ["Entry", <CopyText text={e.id} />],
        ["Type", words(e.event_type)],
        ["Against", words(e.counter_account)],
        e.category && ["Kind of money", words(e.category)],
        e.expires_at && ["Expires", <Time at={e.expires_at} />],
        ["Number in the wallet", <span className="num">{e.seq.toLocaleString("en")}</span>],
        ["Number of the customer", <span className="num">{e.position.toLocaleString("en")}</span>],
        e.reverses && ["Reverses", <Button small look="quiet" onClick={() => onOpen(e.reverses!)}><span className="font-mono text-xs">{e.reverses}</span></Button>],
        e.hold_id && ["Captured from", <CopyText text={e.hold_id} />],
        e.reference_object_id && ["Belongs to", <CopyText text={e.reference_object_id} />],
        ["Idempotency key", e.idempotency_key ? <CopyText text={e.idempotency_key} /> : <span className="text-faint">none</span>],
        ["Hash", <CopyText text={e.hash} shown={e.hash.slice(0, 16) + "…"} label="Copy the hash" />],
      ]} />
      {e.allocations.length > 0 && (
        <section>
          <h3 className="font-semibold mb-1">{e.is_credit ? "Given back to lots" : "Taken from lots"}</h3>
          <Facts of={e.allocations.map((a) => [a.lot_seq === 0 ? "Loan" : `Lot ${a.lot_seq.toLocaleString("en")}`, <Money amount={a.amount} currency={currency} />] as const)} />
        </section>
      )}
      {e.alerts.length > 0 && (
        <section>
          <h3 className="font-semibold mb-1">Thresholds crossed</h3>
          <Facts of={e.alerts.map((a) => [words(a.crossed), <Money amount={a.below} currency={currency} />] as const)} />
        </section>
      )}
      {Object.keys(e.metadata).length > 0 && (
        <section>
          <h3 className="font-semibold mb-1">Metadata</h3>
          <Facts of={Object.entries(e.metadata).map(([name, value]) => [name, String(value)] as const)} />
        </section>
      )}
      <Raw value={e} />
    </div>
  );
}

function Reverse({ e, onDone }: { e: Entry; onDone: (made: string) => void }) {
  const client = useQueryClient();
  const [text, setText] = useState("");
  const [reason, setReason] = useState("");
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [key] = useState(() => randomKey("dash"));
  const amount = text === "" ? null : parse(text, e.currency);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (typeof amount === "string") return;
    setBusy(true);
    setFailure(null);
    try {
      const body = { reason, idempotency_key: key, ...(amount === null ? {} : { amount: Number(amount) }) };
      const posted = await send<PostedWallet>("POST", `/customers/${e.customer_id}/wallets/ledger-entries/${e.id}/reverse`, body);
      void client.invalidateQueries({ predicate: (q) => String(q.queryKey[2]).startsWith("/customers/" + e.customer_id) });
      toast(`Reversed ${display(posted.ledger_entry_amount, e.currency)}.`);
      onDone(posted.ledger_entry_id);
    } catch (error) {
      setFailure((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} className="mt-5 rounded-xl border border-line p-4 grid gap-4">
      <h3 className="font-semibold">Reverse this entry</h3>
      <Field label="Amount" hint="Empty for all that was not reversed yet. The money goes back to the lots that it came from." error={typeof amount === "string" ? amount : null}>
        {(p) => <input {...p} className="field num text-right" inputMode="decimal" value={text} onChange={(event) => setText(event.target.value)} />}
      </Field>
      <Field label="Reason" error={failure}>{(p) => <input {...p} required maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} />}</Field>
      <Button type="submit" look="primary" busy={busy}>Reverse</Button>
    </form>
  );
}

/** Shown where an id leads to nothing. */
export function Missing({ what }: { what: string }) {
  return <Empty title={`There is no such ${what}`}>Perhaps it is in the other mode.</Empty>;
}
