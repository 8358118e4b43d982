import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { APIError, randomKey, send } from "../api/client";
import { keyOf } from "../api/queries";
import type { Customer, EntryRequest, PostedWallet, Wallet } from "../api/types";
import { display, parse, symbolOf } from "../money/money";
import { Button, Choice, cx, Field } from "../ui/base";
import { Modal, ModalBody, ModalFoot, ModalHead } from "../ui/dialog";
import { Money } from "../ui/show";
import { toast } from "../ui/toast";

interface Props {
  kind: "credit" | "debit";
  id: string;
  customer: Customer | undefined;
  wallets: Wallet[];
  currency: string;
  onClose: () => void;
}

/**
 * Adds or deducts funds. What it shows as the balance afterwards is what becomes of it: the
 * entry is made only if the wallet is still as it was shown, and once, however often it is sent.
 */
export function Move({ kind: first, id, customer, wallets, currency: preset, onClose }: Props) {
  const client = useQueryClient();
  const [kind, setKind] = useState(first);
  const [currency, setCurrency] = useState(preset);
  const [text, setText] = useState("");
  const [reason, setReason] = useState("");
  const [category, setCategory] = useState<"paid" | "promotional">("paid");
  const [expires, setExpires] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const [key] = useState(() => randomKey("dash"));
  const wallet = wallets.find((w) => w.currency === currency)!;
  const amount = parse(text, currency);
  const known = typeof amount === "bigint" ? amount : null;
  const short = kind === "debit" && known !== null && known > BigInt(wallet.available);
  const after = known === null ? null : BigInt(wallet.balance) + (kind === "credit" ? known : -known);
  const wrong = text === "" || typeof amount === "bigint" ? null : amount;

  const submit = async (e: FormEvent) => {
    e.preventDefault();
    if (known === null || short) return;
    setBusy(true);
    setFailure(null);
    const body: EntryRequest = {
      amount: Number(known), // at most 999,999,999,999, which a number holds exactly
      currency: currency as EntryRequest["currency"], entry_type: kind, reason, idempotency_key: key, if_seq: wallet.seq,
      ...(kind === "credit" ? { category, ...(expires ? { expires_at: new Date(expires).toISOString() } : {}) } : {}),
    };
    try {
      const posted = await send<PostedWallet>("POST", `/customers/${id}/wallets/ledger-entries`, body);
      toast(`${kind === "credit" ? "Added" : "Deducted"} ${display(known, currency)}. The balance is ${display(posted.balance, currency)}.`);
      void client.invalidateQueries({ predicate: (q) => String(q.queryKey[2]).startsWith("/customers/" + id) });
      onClose();
    } catch (error) {
      setBusy(false);
      if (error instanceof APIError && error.status === 409) {
        toast("This was done already, and was not done twice.");
        onClose();
        return;
      }
      if (error instanceof APIError && error.status === 412) {
        await client.invalidateQueries({ queryKey: keyOf(`/customers/${id}/wallets`) });
        setFailure("The wallet has moved meanwhile. The balances are fresh now: look again, and send again.");
        return;
      }
      setFailure((error as Error).message);
    }
  };
  return (
    <Modal label={kind === "credit" ? "Add funds" : "Deduct funds"} onClose={onClose}>
      <form onSubmit={(e) => void submit(e)} className="contents">
        <ModalHead title={kind === "credit" ? "Add funds" : "Deduct funds"} sub={<span dir="auto" className="line-clamp-1">{customer?.name ?? id}</span>} onClose={onClose} />
        <ModalBody>
          <div className="grid gap-4">
            <div className="flex flex-wrap gap-3 justify-between">
              <Choice label="Direction" value={kind} onChange={setKind} of={[["credit", "Add"], ["debit", "Deduct"]]} />
              <select aria-label="Currency" className="field w-auto!" value={currency} onChange={(e) => setCurrency(e.target.value)}>
                {wallets.map((w) => <option key={w.currency}>{w.currency}</option>)}
              </select>
            </div>
            <Field label="Amount" error={wrong ?? (short ? `Only ${display(wallet.available, currency)} is available.` : null)}>
              {(p) => (
                <div className="relative">
                  {symbolOf(currency) && <span className="absolute left-3 top-1.5 text-lg text-faint" aria-hidden>{symbolOf(currency)}</span>}
                  <input {...p} className={cx("field num h-10 text-lg text-right", symbolOf(currency) && "pl-8")} inputMode="decimal" autoComplete="off" required
                    autoFocus placeholder="0" value={text} onChange={(e) => setText(e.target.value)} />
                </div>
              )}
            </Field>
            <Field label="Reason" hint="The customer may read it.">
              {(p) => <input {...p} required maxLength={1000} value={reason} onChange={(e) => setReason(e.target.value)} placeholder={kind === "credit" ? "Goodwill for the outage of 3 May" : "Correction of order 1041"} />}
            </Field>
            {kind === "credit" && (
              <div className="grid sm:grid-cols-2 gap-4">
                <Field label="Kind of money" hint={category === "paid" ? "Spent after promotional money." : "Spent first; a gift of yours."}>
                  {(p) => (
                    <select {...p} value={category} onChange={(e) => setCategory(e.target.value as "paid")}>
                      <option value="paid">Paid</option><option value="promotional">Promotional</option>
                    </select>
                  )}
                </Field>
                <Field label="Expires" hint="Never, unless you say so.">{(p) => <input {...p} type="datetime-local" value={expires} onChange={(e) => setExpires(e.target.value)} />}</Field>
              </div>
            )}
            <dl className="rounded-lg bg-sunken px-4 py-3 grid gap-1.5" aria-label="Preview">
              <Line name="Balance now" amount={BigInt(wallet.balance)} currency={currency} />
              <Line name={kind === "credit" ? "Added" : "Deducted"} amount={known === null ? null : kind === "credit" ? known : -known} currency={currency} signed />
              <Line name="Balance after" amount={short ? null : after} currency={currency} strong />
            </dl>
            {failure && <p role="alert" className="text-sm text-bad">{failure}</p>}
          </div>
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={busy} disabled={known === null || short}>
            {known === null ? (kind === "credit" ? "Add funds" : "Deduct funds") : `${kind === "credit" ? "Add" : "Deduct"} ${display(known, currency)}`}
          </Button>
        </ModalFoot>
      </form>
    </Modal>
  );
}

function Line({ name, amount, currency, signed, strong }: { name: string; amount: bigint | null; currency: string; signed?: boolean; strong?: boolean }) {
  return (
    <div className={cx("flex justify-between gap-4", strong && "font-semibold border-t border-edge mt-1 pt-2")}>
      <dt className={strong ? undefined : "text-soft"}>{name}</dt>
      <dd>{amount === null ? <span className="text-faint">–</span> : <Money amount={amount} currency={currency} signed={signed} />}</dd>
    </div>
  );
}
