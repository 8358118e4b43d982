import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { send } from "../api/client";
import { keyOf, useGet } from "../api/queries";
import type { Business } from "../api/types";
import { useSigned } from "../app/session";
import { display } from "../money/money";
import { Badge, Button, CopyText, Facts, Failure, Field, Heading, Skeleton } from "../ui/base";
import { toast } from "../ui/toast";
import { CardProcessor } from "./processor";

export function Settings() {
  const { mode } = useSigned();
  const business = useGet<Business>("/business");
  if (business.error && !business.data) return <Failure error={business.error} retry={() => void business.refetch()} />;
  return (
    <>
      <Heading title="Settings" sub={`Of this business in ${mode} mode. The other mode has its own.`} />
      {business.data ? <Form key={JSON.stringify(business.data)} now={business.data} /> : <Skeleton className="h-96 w-full" />}
      <CardProcessor />
    </>
  );
}

/** A text such as "USD, INR" as codes. */
const codes = (text: string) => [...new Set(text.toUpperCase().split(/[\s,]+/).filter(Boolean))].sort();

function Form({ now }: { now: Business }) {
  const client = useQueryClient();
  const { may } = useSigned();
  const [form, setForm] = useState({
    currencies: now.enabled_currencies.join(", "), on_duplicate: now.on_duplicate, credit_reversal: now.credit_reversal,
    below_card_minimum: now.below_card_minimum, grace: String(now.reversal_grace_seconds / 3600), notice: String(now.expiry_notice_days),
    wait: String(now.payment_method_wait_hours), refund: String(now.refund_window_days), retries: now.payment_retry_hours.join(", "),
  });
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const set = (name: keyof typeof form) => (e: { target: { value: string } }) => setForm({ ...form, [name]: e.target.value });
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    const wanted = {
      enabled_currencies: codes(form.currencies), on_duplicate: form.on_duplicate, credit_reversal: form.credit_reversal,
      below_card_minimum: form.below_card_minimum, reversal_grace_seconds: Math.round(Number(form.grace) * 3600), expiry_notice_days: Number(form.notice),
      payment_method_wait_hours: Number(form.wait), refund_window_days: Number(form.refund),
      payment_retry_hours: form.retries.split(/[\s,]+/).filter(Boolean).map(Number),
    };
    const before = now as unknown as Record<string, unknown>;
    const changed = Object.fromEntries(Object.entries(wanted).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])));
    setBusy(true);
    setFailure(null);
    try {
      if (Object.keys(changed).length > 0) client.setQueryData(keyOf("/business"), await send<Business>("PATCH", "/business", changed));
      toast("The settings were saved.");
    } catch (error) {
      setFailure((error as Error).message);
    }
    setBusy(false);
  };
  const thresholds = Object.entries(now.alerts).flatMap(([currency, list]) => (list ?? []).map((t) => display(t.below, currency)));
  return (
    <form onSubmit={(e) => void submit(e)} className="grid gap-6 max-w-3xl">
      <section className="card p-5"><Facts of={[
        ["Business", <CopyText text={now.business_id} />], ["Name", <span dir="auto">{now.name}</span>], ["Mode", <Badge tone={now.mode === "test" ? "warn" : "good"}>{now.mode}</Badge>],
        ["Low balances are told below", thresholds.length ? thresholds.join(", ") : "no threshold"],
      ]} /></section>
      <fieldset disabled={!may("settings")} className="card p-5 grid gap-5 min-w-0 sm:grid-cols-2">
        <Field label="Currencies" hint="Codes of ISO 4217 with commas between.">{(p) => <input {...p} required value={form.currencies} onChange={set("currencies")} />}</Field>
        <Field label="A key that was used already" hint="How a new call with the same request is answered.">
          {(p) => <select {...p} value={form.on_duplicate} onChange={set("on_duplicate")}><option value="conflict">409, with the first entry</option><option value="replay">200, with the first answer</option></select>}
        </Field>
        <Field label="Reversing a credit that is spent">
          {(p) => <select {...p} value={form.credit_reversal} onChange={set("credit_reversal")}><option value="refuse">Refuse</option><option value="debt">Have the wallet owe it</option></select>}
        </Field>
        <Field label="A rest below the card's minimum">
          {(p) => <select {...p} value={form.below_card_minimum} onChange={set("below_card_minimum")}><option value="leave_in_wallet">The wallet pays less</option><option value="charge_minimum">The card pays the minimum</option></select>}
        </Field>
        <Field label="Grace after a reversal, in hours">{(p) => <input {...p} type="number" min={0} max={8784} step="any" required value={form.grace} onChange={set("grace")} />}</Field>
        <Field label="Notice before expiry, in days" hint="0 for none.">{(p) => <input {...p} type="number" min={0} max={366} required value={form.notice} onChange={set("notice")} />}</Field>
        <Field label="Wait for a payment method, in hours">{(p) => <input {...p} type="number" min={1} max={720} required value={form.wait} onChange={set("wait")} />}</Field>
        <Field label="Refunds until, in days">{(p) => <input {...p} type="number" min={1} max={3650} required value={form.refund} onChange={set("refund")} />}</Field>
        <Field label="Retries of a renewal" hint="Hours to wait after each failed try, with commas between.">{(p) => <input {...p} value={form.retries} onChange={set("retries")} />}</Field>
      </fieldset>
      {failure && <p role="alert" className="text-bad">{failure}</p>}
      {may("settings") ? <div><Button type="submit" look="primary" busy={busy}>Save</Button></div> : <p className="text-soft">Your role may look at these, and not change them.</p>}
    </form>
  );
}
