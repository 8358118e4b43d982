import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { randomKey, send } from "../api/client";
import type { PaymentDetail, Refund } from "../api/types";
import { display, parse } from "../money/money";
import { Button, Field } from "../ui/base";
import { Modal, ModalBody, ModalFoot, ModalHead } from "../ui/dialog";
import { toast } from "../ui/toast";

/** Gives a payment back, all of what is left of it or some. */
export function RefundDialog({ payment: p, onClose }: { payment: PaymentDetail; onClose: () => void }) {
  const client = useQueryClient();
  const [text, setText] = useState("");
  const [reason, setReason] = useState("");
  const [destination, setDestination] = useState("");
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [key] = useState(() => randomKey("dash"));
  const amount = text === "" ? null : parse(text, p.currency);
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    if (typeof amount === "string") return;
    setBusy(true);
    setFailure(null);
    try {
      const made = await send<Refund>("POST", "/refunds", {
        payment_id: p.payment_id, reason, ...(amount === null ? {} : { amount: Number(amount) }), ...(destination ? { destination } : {}),
      }, key);
      await client.invalidateQueries({ predicate: (q) => /^\/(payments|refunds|invoices|customers)/.test(String(q.queryKey[2])) });
      toast(`${display(made.amount, p.currency)} goes back to the customer.`);
      onClose();
    } catch (error) {
      setFailure((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <Modal label="Refund" onClose={onClose}>
      <form className="contents" onSubmit={(e) => void submit(e)}>
        <ModalHead title="Refund this payment" sub={<span dir="auto">{p.customer.name}</span>} onClose={onClose} />
        <ModalBody>
          <div className="grid gap-4">
            <Field label="Amount" hint="Empty for all that was not given back yet." error={typeof amount === "string" ? amount : null}>
              {(f) => <input {...f} className="field num text-right" inputMode="decimal" autoFocus value={text} onChange={(e) => setText(e.target.value)} />}
            </Field>
            <Field label="To" hint={destination === "wallet" ? "All of it becomes money in the wallet." : "Each part goes back to where it came from."}>
              {(f) => <select {...f} value={destination} onChange={(e) => setDestination(e.target.value)}><option value="">Where it came from</option><option value="wallet">The wallet</option></select>}
            </Field>
            <Field label="Reason" error={failure}>{(f) => <input {...f} required maxLength={3000} value={reason} onChange={(e) => setReason(e.target.value)} />}</Field>
          </div>
        </ModalBody>
        <ModalFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={busy} disabled={typeof amount === "string"}>
          {typeof amount === "bigint" ? `Refund ${display(amount, p.currency)}` : "Refund all"}</Button></ModalFoot>
      </form>
    </Modal>
  );
}
