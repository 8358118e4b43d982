import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { send, serverURL } from "../api/client";
import { useGet } from "../api/queries";
import type { Processor, ProcessorNotification } from "../api/types";
import { useSigned } from "../app/session";
import { Badge, Button, CopyText, Facts, Failure, Field, Skeleton } from "../ui/base";
import { Time } from "../ui/show";
import { toast } from "../ui/toast";

const names: Record<Processor["processor"], string> = { stripe: "Stripe, by an account of this business", sandbox: "The sandbox, which charges nobody", none: "Nobody: cards are not charged" };

/** Who charges cards, and the account that this business has with them. Secrets go in, and never come out. */
export function CardProcessor() {
  const { mode, may } = useSigned();
  const client = useQueryClient();
  const found = useGet<Processor>("/business/processor");
  const odd = useGet<{ items: ProcessorNotification[] }>("/business/processor/notifications", undefined, { enabled: found.data?.processor === "stripe" });
  const [form, setForm] = useState({ key: "", hook: "" });
  const [open, setOpen] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const act = async (run: () => Promise<unknown>, said: string) => {
    setBusy(true);
    setFailure(null);
    try {
      await run();
      toast(said);
      setOpen(false);
      setForm({ key: "", hook: "" });
    } catch (error) {
      setFailure((error as Error).message);
    }
    await client.invalidateQueries({ predicate: (q) => String(q.queryKey[2]).startsWith("/business") });
    setBusy(false);
  };
  const submit = (e: FormEvent) => {
    e.preventDefault();
    void act(() => send("PUT", "/business/processor", { processor: "stripe", secret_key: form.key, ...(form.hook ? { webhook_secrets: [form.hook] } : {}) }), "The account charges cards from now on.");
  };
  const p = found.data;
  return (
    <section className="card p-5 grid gap-4 max-w-3xl mt-6" aria-label="Card processor">
      <h2 className="font-semibold flex items-center gap-2">Card processor {p && <Badge tone={p.processor === "stripe" ? "good" : p.processor === "sandbox" ? "warn" : "neutral"}>{p.processor}</Badge>}</h2>
      {found.error && !p ? <Failure error={found.error} retry={() => void found.refetch()} /> : !p ? <Skeleton className="h-24 w-full" /> : (
        <Facts of={[
          ["Charges cards", names[p.processor]],
          p.secret_key && ["Key", <span className="font-mono text-xs">{p.secret_key}</span>],
          p.secret_key && ["Signing secrets", p.webhook_secrets.length ? <span className="font-mono text-xs">{p.webhook_secrets.join(", ")}</span> : <Badge tone="warn">None: notifications are refused</Badge>],
          p.notifications_path && ["Notifications go to", <CopyText text={serverURL + p.notifications_path} label="Copy the address for notifications" />],
          p.changed_at && ["Changed", <Time at={p.changed_at} />],
        ]} />
      )}
      {!!odd.data?.items.length && (
        <div className="rounded-lg bg-warn-tint text-warn px-4 py-3">
          <p className="font-semibold">Notifications that people have to look at</p>
          <ul className="grid gap-1 mt-1">{odd.data.items.slice(0, 10).map((n) => <li key={n.id} className="break-words"><span className="font-mono text-xs">{n.type}</span>, <Time at={n.received_at} />: {n.reason}</li>)}</ul>
        </div>
      )}
      {p && may("settings") && (open ? (
        <form className="grid gap-4 sm:grid-cols-2" onSubmit={submit}>
          <Field label="Secret key" hint={`A secret or restricted key of ${mode} mode. It is kept sealed and not shown again.`} error={failure}>
            {(f) => <input {...f} type="password" autoComplete="off" required maxLength={260} value={form.key} onChange={(e) => setForm({ ...form, key: e.target.value })} />}
          </Field>
          <Field label="Signing secret of the webhook" hint="What Stripe signs notifications with. Without it none is taken.">
            {(f) => <input {...f} type="password" autoComplete="off" minLength={16} maxLength={255} value={form.hook} onChange={(e) => setForm({ ...form, hook: e.target.value })} />}
          </Field>
          <div className="flex gap-2"><Button type="submit" look="primary" busy={busy}>Save the account</Button><Button onClick={() => { setOpen(false); setFailure(null); }}>Cancel</Button></div>
        </form>
      ) : (
        <div className="flex flex-wrap gap-2">
          <Button onClick={() => setOpen(true)}>{p.processor === "stripe" ? "Change the account" : "Charge through Stripe"}</Button>
          {p.processor === "stripe" && <Button busy={busy} onClick={() => { if (confirm("Forget this account? Payments that are not final wait until there is one again.")) void act(() => send("DELETE", "/business/processor"), "The account was forgotten."); }}>Forget the account</Button>}
        </div>
      ))}
    </section>
  );
}
