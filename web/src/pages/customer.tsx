import { useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { ChevronRight, Snowflake } from "lucide-react";
import { lazy, useState, type FormEvent } from "react";
import { randomKey, send } from "../api/client";
import { useGet, useList } from "../api/queries";
import type { Customer, CustomerAuditEntry } from "../api/types";
import { useSigned } from "../app/session";
import { Button, Choice, CopyText, cx, Empty, Failure, Field, Skeleton } from "../ui/base";
import { Modal, ModalBody, ModalFoot, ModalHead } from "../ui/dialog";
import { Later, Time } from "../ui/show";
import { toast } from "../ui/toast";
import { AuditTable } from "./audittable";
import { EventTable } from "./eventtable";
import { Wallets } from "./wallet";

const Billing = lazy(() => import("./billing").then((m) => ({ default: m.OfCustomer })));

const tabs = [["wallet", "Wallet"], ["payments", "Payments"], ["invoices", "Invoices"], ["subscriptions", "Subscriptions"],
  ["refunds", "Refunds"], ["disputes", "Disputes"], ["events", "Events"], ["audit", "Audit"]] as const;

export function CustomerPage() {
  const { id = "", tab = "wallet" } = useParams({ strict: false }) as { id?: string; tab?: string };
  const customer = useGet<Customer>(`/customers/${id}`);
  const { may } = useSigned();
  const [freezing, setFreezing] = useState(false);
  if (customer.error && !customer.data) return <Failure error={customer.error} retry={() => void customer.refetch()} />;
  const c = customer.data;
  return (
    <>
      <nav aria-label="Where this is" className="flex items-center gap-1 text-sm text-soft mb-2">
        <Link to="/customers" className="hover:text-ink">Customers</Link><ChevronRight size={14} aria-hidden />
        <CopyText text={id} label="Copy the id of the customer" />
      </nav>
      <div className="flex flex-wrap items-start justify-between gap-3 mb-4">
        <div className="min-w-0 flex-1">
          {c ? <h1 className="text-xl font-semibold tracking-tight line-clamp-2 break-words" dir="auto">{c.name}</h1> : <Skeleton className="h-7 w-48" />}
          <p className="text-soft mt-0.5 break-words">{c ? [c.email, c.phone_number].filter(Boolean).join(" · ") : "\u00a0"}</p>
        </div>
        {c && may("customers") && (
          <Button onClick={() => setFreezing(true)}><Snowflake size={15} aria-hidden />{c.freezes.length ? "Lift a freeze" : "Freeze"}</Button>
        )}
      </div>
      {c?.freezes.map((f) => (
        <p key={f.audit_entry_id} className="rounded-lg bg-warn-tint text-warn px-4 py-2.5 mb-3 break-words">
          <strong className="font-semibold">{f.currency ? `The ${f.currency} wallet is frozen` : "All wallets are frozen"}</strong>
          {f.scope === "debits" ? " for debits" : " for debits and credits"} since <Time at={f.frozen_at} />: {f.reason}
        </p>
      ))}
      <nav aria-label="Of this customer" className="flex gap-5 border-b border-line mb-5 overflow-x-auto">
        {tabs.map(([name, text]) => (
          <Link key={name} to="/customers/$id/$tab" params={{ id, tab: name }} search={{}} aria-current={tab === name ? "page" : undefined}
            className={cx("py-2.5 -mb-px border-b-2 font-medium whitespace-nowrap", tab === name ? "border-accent text-ink" : "border-transparent text-soft hover:text-ink")}>
            {text}
          </Link>
        ))}
      </nav>
      {tab === "wallet" && <Wallets id={id} customer={c} />}
      {(tab === "payments" || tab === "invoices" || tab === "subscriptions" || tab === "refunds" || tab === "disputes") &&
        <Later className="h-64"><Billing id={id} what={tab} /></Later>}
      {tab === "events" && <section className="card overflow-hidden"><EventTable customer={id} /></section>}
      {tab === "audit" && <Trail id={id} />}
      {freezing && c && <Freeze customer={c} onClose={() => setFreezing(false)} />}
    </>
  );
}

function Trail({ id }: { id: string }) {
  const list = useList<CustomerAuditEntry>(`/customers/${id}/audit`);
  return (
    <section className="card overflow-hidden">
      <AuditTable {...list} label="Changes of this customer" empty={<Empty title="Nobody has changed anything">Changes of the customer and freezes are kept here. Money is not: ledger entries say for themselves who made them.</Empty>} />
    </section>
  );
}

function Freeze({ customer, onClose }: { customer: Customer; onClose: () => void }) {
  const client = useQueryClient();
  const lift = customer.freezes.length > 0;
  const [scope, setScope] = useState<"debits" | "everything">("debits");
  const [currency, setCurrency] = useState<string>(customer.freezes[0]?.currency ?? "");
  const [reason, setReason] = useState("");
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [key] = useState(() => randomKey("dash"));
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    try {
      const body = { reason, ...(currency ? { currency } : {}), ...(lift ? {} : { scope }) };
      await send("POST", `/customers/${customer.customer_id}/${lift ? "unfreeze" : "freeze"}`, body, key);
      await client.invalidateQueries({ predicate: (q) => String(q.queryKey[2]).startsWith("/customers/" + customer.customer_id) });
      toast(lift ? "The freeze was lifted." : "Frozen.");
      onClose();
    } catch (error) {
      setFailure((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <Modal label={lift ? "Lift a freeze" : "Freeze"} onClose={onClose}>
      <form onSubmit={(e) => void submit(e)} className="contents">
        <ModalHead title={lift ? "Lift a freeze" : "Freeze this customer"} onClose={onClose}
          sub={lift ? "Money can be moved again." : "Money stays where it is until the freeze is lifted."} />
        <ModalBody>
          <div className="grid gap-4">
            {!lift && <div><Choice label="What is refused" value={scope} onChange={setScope} of={[["debits", "Debits"], ["everything", "Debits and credits"]]} /></div>}
            {lift && customer.freezes.length > 1 && (
              <Field label="Which">
                {(p) => (
                  <select {...p} value={currency} onChange={(e) => setCurrency(e.target.value)}>
                    {customer.freezes.map((f) => <option key={f.audit_entry_id} value={f.currency ?? ""}>{f.currency ?? "All wallets"}</option>)}
                  </select>
                )}
              </Field>
            )}
            <Field label="Reason" hint="It stands in the audit log." error={failure}>
              {(p) => <input {...p} autoFocus required maxLength={1000} value={reason} onChange={(e) => setReason(e.target.value)} />}
            </Field>
          </div>
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={busy}>{lift ? "Lift the freeze" : "Freeze"}</Button>
        </ModalFoot>
      </form>
    </Modal>
  );
}
