import { Link } from "@tanstack/react-router";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useGet, useList } from "../api/queries";
import type { Dispute, DisputeDetail, Invoice, Payment, Refund, Subscription } from "../api/types";
import { useFilters } from "../app/search";
import { send, serverURL } from "../api/client";
import { useSigned } from "../app/session";
import { Badge, Button, CopyText, Empty, Facts, Failure, Heading, Select, Skeleton, Status, words } from "../ui/base";
import { Modal, ModalBody, ModalFoot, ModalHead } from "../ui/dialog";
import { Money, Raw, Time } from "../ui/show";
import { rowLink, Table, type Column } from "../ui/table";
import { toast } from "../ui/toast";

export type What = "payments" | "invoices" | "subscriptions" | "refunds" | "disputes";

const read = (path: string) => `curl ${serverURL}${path} \\\n  -H "Authorization: Bearer $BILLFOLD_API_KEY"`;
const customerLink = (c: { customer_id: string; name: string }) => (
  <Link to="/customers/$id" params={{ id: c.customer_id }} className="relative z-10 hover:underline" dir="auto">{c.name}</Link>
);
const at = (time: string) => <span className="text-soft"><Time at={time} /></span>;
const pairs = (names: string[]) => names.map((n) => [n, words(n)] as const);
const statuses: Record<What, readonly (readonly [string, string])[]> = {
  payments: pairs(["succeeded", "failed", "cancelled", "processing", "requires_customer_action", "requires_payment_method"]),
  invoices: pairs(["finalized", "wallet_held", "card_intended", "card_created", "card_unknown", "card_declined", "card_ok", "paid", "past_due", "void"]),
  subscriptions: pairs(["pending", "active", "on_hold", "paused", "cancelled", "failed", "expired", "past_due"]),
  refunds: pairs(["succeeded", "failed", "pending", "review"]),
  disputes: ["opened", "challenged", "won", "lost", "accepted", "expired", "cancelled"].map((n) => ["dispute_" + n, words(n)] as const),
};

interface List {
  filter: Record<string, string>;
  own: boolean; // of one customer, whose name need not stand in each row
}

function PaymentList({ filter, own }: List) {
  const list = useList<Payment>("/payments", filter);
  const columns: Column<Payment>[] = [
    { id: "id", head: "Payment", width: "minmax(9rem,2fr)", cell: (p) => <Link data-row to="/payments/$id" params={{ id: p.payment_id }} className={rowLink}><span className="font-mono text-xs">{p.payment_id}</span></Link> },
    ...(own ? [] : [{ id: "customer", head: "Customer", width: "minmax(7rem,2fr)", from: "md" as const, cell: (p: Payment) => customerLink(p.customer) }]),
    { id: "status", head: "Status", width: "minmax(7rem,1fr)", cell: (p) => <Status of={p.status} /> },
    { id: "by", head: "Paid by", width: "7.5rem", from: "lg", cell: (p) => <span className="text-soft">{paidBy(p)}</span> },
    { id: "at", head: "Time", width: "8.5rem", from: "sm", cell: (p) => at(p.created_at) },
    { id: "amount", head: "Amount", width: "minmax(6.5rem,1fr)", right: true, cell: (p) => <Money amount={p.total_amount} currency={p.currency} /> },
  ];
  return <Table {...list} label="Payments" columns={columns} keyOf={(p) => p.payment_id} empty={<Empty title="No payments" command={read("/payments")}>An invoice is paid from the wallet first, and what is missing by card. Your application makes payments by the API:</Empty>} />;
}

export function paidBy(p: Payment): string {
  const card = p.card_last_four ? `${p.card_network ?? "Card"} ${p.card_last_four}` : "Card";
  if (p.wallet_amount === p.total_amount && p.total_amount > 0) return "Wallet";
  if (p.wallet_amount > 0) return "Wallet and card";
  return p.payment_method === "card" ? card : "";
}

function InvoiceList({ filter, own }: List) {
  const [, setFilters] = useFilters();
  const list = useList<Invoice>("/invoices", filter);
  const columns: Column<Invoice>[] = [
    { id: "id", head: "Invoice", width: "minmax(9rem,2fr)", cell: (i) => <button type="button" data-row className={rowLink} onClick={() => setFilters({ open: i.invoice_id })}><span className="font-mono text-xs">{i.invoice_id}</span></button> },
    { id: "reason", head: "For", width: "7rem", from: "md", cell: (i) => <span className="text-soft">{words(i.reason)}</span> },
    ...(own ? [] : [{ id: "customer", head: "Customer", width: "minmax(8rem,2fr)", from: "lg" as const, cell: (i: Invoice) => customerLink({ customer_id: i.customer_id, name: i.customer_id }) }]),
    { id: "state", head: "State", width: "minmax(7rem,1fr)", cell: (i) => <Status of={i.state} /> },
    { id: "at", head: "Time", width: "8.5rem", from: "sm", cell: (i) => at(i.created_at) },
    { id: "amount", head: "Total", width: "minmax(6.5rem,1fr)", right: true, cell: (i) => <Money amount={i.total_amount} currency={i.currency} /> },
  ];
  return <Table {...list} label="Invoices" columns={columns} keyOf={(i) => i.invoice_id} empty={<Empty title="No invoices" command={read("/invoices")}>Payments, renewals and top-ups have one each:</Empty>} />;
}

function SubscriptionList({ filter, own }: List) {
  const [, setFilters] = useFilters();
  const list = useList<Subscription>("/subscriptions", filter);
  const columns: Column<Subscription>[] = [
    { id: "product", head: "Subscription", width: "minmax(9rem,2fr)", cell: (s) => <button type="button" data-row className={rowLink} onClick={() => setFilters({ open: s.subscription_id })} dir="auto">{s.product_name || s.product_id}</button> },
    ...(own ? [] : [{ id: "customer", head: "Customer", width: "minmax(7rem,2fr)", from: "md" as const, cell: (s: Subscription) => customerLink(s.customer) }]),
    { id: "status", head: "Status", width: "minmax(6rem,1fr)", cell: (s) => <Status of={s.status} /> },
    { id: "next", head: "Next billing", width: "8.5rem", from: "lg", cell: (s) => at(s.next_billing_date) },
    { id: "amount", head: "Amount", width: "minmax(8rem,1fr)", right: true, cell: (s) => <><Money amount={s.recurring_pre_tax_amount} currency={s.currency} /><span className="text-soft hidden sm:inline"> {every(s)}</span></> },
  ];
  return <Table {...list} label="Subscriptions" columns={columns} keyOf={(s) => s.subscription_id} empty={<Empty title="No subscriptions" command={read("/subscriptions")}>Renewals are paid from the wallet first, then by card:</Empty>} />;
}

function every(s: Subscription): string {
  const unit = s.payment_frequency_interval.toLowerCase();
  return s.payment_frequency_count === 1 ? `a ${unit}` : `every ${s.payment_frequency_count} ${unit}s`;
}

function RefundList({ filter }: List) {
  const [, setFilters] = useFilters();
  const list = useList<Refund>("/refunds", filter);
  const columns: Column<Refund>[] = [
    { id: "id", head: "Refund", width: "minmax(9rem,2fr)", cell: (r) => <button type="button" data-row className={rowLink} onClick={() => setFilters({ open: r.refund_id })}><span className="font-mono text-xs">{r.refund_id}</span></button> },
    { id: "reason", head: "Reason", width: "minmax(7rem,2fr)", from: "md", cell: (r) => <span className="text-soft" dir="auto">{r.reason}</span> },
    { id: "to", head: "To", width: "7rem", from: "lg", cell: (r) => <span className="text-soft">{words(r.destination)}</span> },
    { id: "status", head: "Status", width: "minmax(6rem,1fr)", cell: (r) => <Status of={r.status} /> },
    { id: "at", head: "Time", width: "8.5rem", from: "sm", cell: (r) => at(r.created_at) },
    { id: "amount", head: "Amount", width: "minmax(6.5rem,1fr)", right: true, cell: (r) => <Money amount={r.amount} currency={r.currency} /> },
  ];
  return <Table {...list} label="Refunds" columns={columns} keyOf={(r) => r.refund_id} empty={<Empty title="No refunds" command={read("/refunds")}>What goes back to a card or a wallet stands here:</Empty>} />;
}

/** What a status of a dispute is without the word that all of them begin with. */
const disputeStatus = (status: string) => status.replace("dispute_", "");

function DisputeList({ filter }: List) {
  const [, setFilters] = useFilters();
  const list = useList<Dispute>("/disputes", filter);
  const columns: Column<Dispute>[] = [
    { id: "id", head: "Dispute", width: "minmax(9rem,2fr)", cell: (d) => <button type="button" data-row className={rowLink} onClick={() => setFilters({ open: d.dispute_id })}><span className="font-mono text-xs">{d.dispute_id}</span></button> },
    { id: "payment", head: "Payment", width: "minmax(9rem,2fr)", from: "lg", cell: (d) => <Link to="/payments/$id" params={{ id: d.payment_id }} className="relative z-10 font-mono text-xs text-soft hover:underline">{d.payment_id}</Link> },
    { id: "stage", head: "Stage", width: "8rem", from: "md", cell: (d) => <span className="text-soft">{words(d.dispute_stage)}</span> },
    { id: "status", head: "Status", width: "minmax(6rem,1fr)", cell: (d) => <Status of={disputeStatus(d.dispute_status)} /> },
    { id: "at", head: "Time", width: "8.5rem", from: "sm", cell: (d) => at(d.created_at) },
    { id: "amount", head: "Amount", width: "minmax(6.5rem,1fr)", right: true, cell: (d) => <Money amount={BigInt(d.amount)} currency={d.currency} /> },
  ];
  return <Table {...list} label="Disputes" columns={columns} keyOf={(d) => d.dispute_id} empty={<Empty title="No disputes" command={read("/disputes")}>What a customer's bank asks back stands here, and what of the wallet answers for it:</Empty>} />;
}

const lists = { payments: PaymentList, invoices: InvoiceList, subscriptions: SubscriptionList, refunds: RefundList, disputes: DisputeList };
const statusNames: Record<What, string> = { payments: "status", invoices: "state", subscriptions: "status", refunds: "status", disputes: "dispute_status" };

function Filtered({ what, customer = "" }: { what: What; customer?: string }) {
  const [filters, setFilters] = useFilters();
  const status = filters.status ?? "";
  const Rows = lists[what];
  const filter = { customer_id: customer, [statusNames[what]]: status };
  return (
    <section className="card overflow-hidden" aria-label={words(what)}>
      <header className="flex justify-end px-4 py-2.5 border-b border-line">
        <Select label="Status" none="Any status" value={status} onChange={(next) => setFilters({ status: next })} of={statuses[what]} />
      </header>
      <Rows filter={filter} own={!!customer} />
      {filters.open && <Drawer id={filters.open} what={what} onClose={() => setFilters({ open: "" })} />}
    </section>
  );
}

export const OfCustomer = ({ id, what }: { id: string; what: What }) => <Filtered key={what} what={what} customer={id} />;

const whole = (what: What, sub: string) => function Whole() {
  return <><Heading title={words(what)} sub={sub} /><Filtered key={what} what={what} /></>;
};
export const Payments = whole("payments", "Paid from wallets, by card, or both.");
export const Invoices = whole("invoices", "What customers owed, and how it was collected.");
export const Subscriptions = whole("subscriptions", "What renews by itself.");
export const Refunds = whole("refunds", "What went back to customers.");
export const Disputes = whole("disputes", "What customers' banks asked back, and what came of it.");

/** One object of a list in a drawer. */
function Drawer({ id, what, onClose }: { id: string; what: What; onClose: () => void }) {
  const found = useGet<unknown>(`/${what}/${id}`);
  return (
    <Modal kind="drawer" label={words(what)} onClose={onClose}>
      <ModalHead title={words(what).slice(0, -1)} sub={<CopyText text={id} />} onClose={onClose} />
      <ModalBody>
        {found.error ? <Failure error={found.error} retry={() => void found.refetch()} /> : !found.data ? <Skeleton className="h-64 w-full" /> : (
          <div className="grid gap-5">
            {what === "invoices" && <InvoiceDetail i={found.data as Invoice} />}
            {what === "subscriptions" && <SubscriptionDetail s={found.data as Subscription} />}
            {what === "disputes" && <DisputeDetails d={found.data as DisputeDetail} />}
            {what === "refunds" && <RefundDetail r={found.data as Refund} />}
            <Raw value={found.data} />
          </div>
        )}
      </ModalBody>
      {what === "invoices" && found.data ? <Void i={found.data as Invoice} /> : null}
    </Modal>
  );
}

const over = new Set(["paid", "past_due", "void"]);

/** Has nobody try any more to have an invoice paid, while it is not. */
function Void({ i }: { i: Invoice }) {
  const client = useQueryClient();
  const { may } = useSigned();
  const [busy, setBusy] = useState(false);
  if (!may("refunds") || over.has(i.state)) return null;
  const run = async () => {
    if (!confirm("Make this invoice void? Nobody tries any more to have it paid.")) return;
    setBusy(true);
    try {
      await send("POST", `/invoices/${i.invoice_id}/void`);
      toast("It becomes void, and what is held of the wallet is given back.");
    } catch (error) {
      toast((error as Error).message, true);
    }
    await client.invalidateQueries({ predicate: (q) => /^\/(payments|invoices|customers)/.test(String(q.queryKey[2])) });
    setBusy(false);
  };
  return <ModalFoot><Button busy={busy} onClick={() => void run()}>Make it void</Button></ModalFoot>;
}

export function InvoiceDetail({ i }: { i: Invoice }) {
  const money = (amount: number) => <Money amount={amount} currency={i.currency} />;
  return (
    <>
      <Facts of={[
        ["State", <Status of={i.state} />],
        ["Customer", <Link to="/customers/$id" params={{ id: i.customer_id }} className="text-accent underline">{i.customer_id}</Link>],
        ["Total", money(i.total_amount)],
        ["From the wallet", money(i.wallet_amount)],
        i.wallet_parts && ["of that promotional", money(i.wallet_parts.promotional)],
        ["By card", money(i.card_amount)],
        i.credited_amount > 0 && ["Credited to the wallet", money(i.credited_amount)],
        ["Payment", <Link to="/payments/$id" params={{ id: i.payment_id }} className="text-accent underline">{i.payment_id}</Link>],
        i.subscription_id && ["Subscription", <CopyText text={i.subscription_id} />],
        ["Created", <Time at={i.created_at} />],
        i.next_try_at && ["Next try", <Time at={i.next_try_at} />],
      ]} />
      <section>
        <h3 className="font-semibold mb-1">Lines</h3>
        <Facts of={i.lines.map((l) => [`${l.name ?? l.description ?? "Line"}${l.quantity > 1 ? ` × ${l.quantity}` : ""}`, money(l.amount)] as const)} />
      </section>
      {i.attempts.length > 0 && (
        <section>
          <h3 className="font-semibold mb-1">Tries at the card</h3>
          <Facts of={i.attempts.map((a) => [`${a.number}. try`, <span className="inline-flex flex-wrap justify-end gap-x-3 items-center"><Time at={a.began_at} /><Status of={a.outcome} />{money(a.amount)}</span>] as const)} />
        </section>
      )}
    </>
  );
}

function SubscriptionDetail({ s }: { s: Subscription }) {
  return (
    <Facts of={[
      ["Status", <Status of={s.status} />],
      ["Customer", customerLink(s.customer)],
      ["Product", <span dir="auto">{s.product_name ?? s.product_id}{s.quantity > 1 ? ` × ${s.quantity}` : ""}</span>],
      ["Amount", <><Money amount={s.recurring_pre_tax_amount} currency={s.currency} /> {every(s)}</>],
      ["This period began", <Time at={s.previous_billing_date} />],
      ["Next billing", <Time at={s.next_billing_date} />],
      s.cancel_at_next_billing_date && ["Ends", <Badge tone="warn">With this period</Badge>],
      s.cancelled_at && ["Cancelled", <Time at={s.cancelled_at} />],
      ["Saved card", s.has_payment_method ? "Yes" : "No"],
      ["Created", <Time at={s.created_at} />],
    ]} />
  );
}

function RefundDetail({ r }: { r: Refund }) {
  return (
    <Facts of={[
      ["Status", <Status of={r.status} />],
      ["Amount", <Money amount={r.amount} currency={r.currency} />],
      ["To the wallet", <Money amount={r.wallet_amount} currency={r.currency} />],
      ["Destination", words(r.destination)],
      r.reason && ["Reason", <span dir="auto">{r.reason}</span>],
      ["Payment", <Link to="/payments/$id" params={{ id: r.payment_id }} className="text-accent underline">{r.payment_id}</Link>],
      ["Created", <Time at={r.created_at} />],
    ]} />
  );
}

function DisputeDetails({ d }: { d: DisputeDetail }) {
  const money = (amount: number | bigint) => <Money amount={amount} currency={d.currency} />;
  return (
    <Facts of={[
      ["Status", <Status of={disputeStatus(d.dispute_status)} />],
      ["Stage", words(d.dispute_stage)],
      ["Customer", customerLink(d.customer)],
      ["Payment", <Link to="/payments/$id" params={{ id: d.payment_id }} className="text-accent underline">{d.payment_id}</Link>],
      ["Disputed", money(BigInt(d.amount))],
      ["Held in the wallet", money(d.held_amount)],
      ["Taken from the wallet", money(d.lost_amount)],
      ["Owed by the customer", money(d.debt_amount)],
      ["Written off", money(d.written_off_amount)],
      d.reason && ["Reason", <span dir="auto">{d.reason}</span>],
      ["Opened", <Time at={d.created_at} />],
    ]} />
  );
}
