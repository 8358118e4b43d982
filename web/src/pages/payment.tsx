import { Link, useParams } from "@tanstack/react-router";
import { ChevronRight, Download, Undo2 } from "lucide-react";
import { useState } from "react";
import { download } from "../api/client";
import { useGet } from "../api/queries";
import type { Invoice, PaymentDetail } from "../api/types";
import { useSigned } from "../app/session";
import { Button, CopyText, Empty, Facts, Failure, Skeleton, Status, words } from "../ui/base";
import { BigMoney, Money, Raw, Time } from "../ui/show";
import { toast } from "../ui/toast";
import { InvoiceDetail, paidBy } from "./billing";
import { RefundDialog } from "./refund";

export function PaymentPage() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const found = useGet<PaymentDetail>(`/payments/${id}`);
  const p = found.data;
  const invoice = useGet<Invoice>(`/invoices/${p?.invoice_id}`, undefined, { enabled: !!p });
  const [busy, setBusy] = useState(false);
  const [refunding, setRefunding] = useState(false);
  const { may } = useSigned();
  if (found.error && !p) return <Failure error={found.error} retry={() => void found.refetch()} />;
  const pdf = async () => {
    setBusy(true);
    try {
      await download(`/invoices/payments/${id}`, {}, `${id}.pdf`);
    } catch (error) {
      toast((error as Error).message, true);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <nav aria-label="Where this is" className="flex items-center gap-1 text-sm text-soft mb-2">
        <Link to="/payments" className="hover:text-ink">Payments</Link><ChevronRight size={14} aria-hidden /><CopyText text={id} label="Copy the id of the payment" />
      </nav>
      {!p ? <Skeleton className="h-64 w-full" /> : (
        <>
          <div className="flex flex-wrap items-center gap-3 mb-6">
            <h1><span className="sr-only">Payment of </span><BigMoney amount={p.total_amount} currency={p.currency} /></h1>
            <Status of={p.status} />
            {p.refund_status && <Status of={p.refund_status + " refund"} />}
            <div className="ml-auto flex flex-wrap gap-2">
              {may("refunds") && p.status === "succeeded" && p.refund_status !== "full" && <Button onClick={() => setRefunding(true)}><Undo2 size={15} aria-hidden />Refund</Button>}
              <Button onClick={() => void pdf()} busy={busy}><Download size={15} aria-hidden />Invoice as PDF</Button>
            </div>
          </div>
          {refunding && <RefundDialog payment={p} onClose={() => setRefunding(false)} />}
          <div className="grid gap-6 lg:grid-cols-2 items-start">
            <section className="card p-5 grid gap-4" aria-label="Payment">
              <h2 className="font-semibold">Payment</h2>
              <Facts of={[
                ["Customer", <Link to="/customers/$id" params={{ id: p.customer.customer_id }} className="text-accent underline" dir="auto">{p.customer.name}</Link>],
                ["Paid by", paidBy(p) || "nothing yet"],
                ["From the wallet", <Money amount={p.wallet_amount} currency={p.currency} />],
                p.subscription_id && ["Subscription", <CopyText text={p.subscription_id} />],
                p.retry_attempt > 0 && ["Failed tries", p.retry_attempt],
                p.error_message && ["Why it failed", `${p.error_message}${p.error_code ? ` (${p.error_code})` : ""}`],
                ["Created", <Time at={p.created_at} />],
                ["Changed", <Time at={p.updated_at} />],
              ]} />
              <Raw value={p} />
            </section>
            <section className="card p-5 grid gap-4" aria-label="Invoice">
              <h2 className="font-semibold">Invoice</h2>
              {invoice.data ? <InvoiceDetail i={invoice.data} /> : invoice.error ? <Failure error={invoice.error} /> : <Skeleton className="h-48 w-full" />}
            </section>
            <section className="card p-5 lg:col-span-2" aria-label="Refunds">
              <h2 className="font-semibold mb-2">Refunds</h2>
              {p.refunds.length === 0 ? <Empty title="Nothing was refunded" /> :
                <Facts of={p.refunds.map((r) => [`${words(r.destination)}${r.reason ? `: ${r.reason}` : ""}`, <span className="inline-flex flex-wrap justify-end items-center gap-x-3"><Time at={r.created_at} /><Status of={r.status} /><Money amount={r.amount} currency={r.currency} /></span>] as const)} />}
            </section>
          </div>
        </>
      )}
    </>
  );
}
