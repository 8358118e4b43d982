import { Download } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { download, serverURL } from "../api/client";
import { useList } from "../api/queries";
import type { Entry } from "../api/types";
import { useFilters } from "../app/search";
import { Badge, Button, cx, Empty, Field, Select, words } from "../ui/base";
import { Modal, ModalBody, ModalFoot, ModalHead } from "../ui/dialog";
import { Money, Time } from "../ui/show";
import { rowLink, Table, type Column } from "../ui/table";

export const eventTypes = ["payment", "payment_reversal", "refund", "refund_reversal", "dispute", "dispute_reversal", "merchant_adjustment"];

/** What an entry was for, in the best words there are. */
export function reasonOf(e: Entry): string {
  return e.reason || words(e.event_type);
}

/** The first instant of a day in UTC, and the last. */
const startOf = (day: string) => (day ? day + "T00:00:00Z" : undefined);
const endOf = (day: string) => (day ? day + "T23:59:59.999999Z" : undefined);

/** The ledger of one wallet, newest first, with the balance after each entry. */
export function Ledger({ id, currency }: { id: string; currency: string }) {
  const [filters, setFilters] = useFilters();
  const [exporting, setExporting] = useState(false);
  const { type = "", direction = "", from = "", to = "", key = "", ref = "", as_of = "" } = filters;
  const list = useList<Entry>(`/customers/${id}/wallets/ledger-entries`, {
    currency, event_type: type, entry_type: direction, idempotency_key: key, reference_object_id: ref,
    created_at_gte: startOf(from), created_at_lte: as_of || endOf(to),
  }, { size: 100 });
  const fresh = useFresh(list.rows);
  const columns: Column<Entry>[] = [
    {
      id: "reason", head: "Entry", width: "minmax(9rem,3fr)",
      cell: (e) => (
        <button type="button" data-row className={cx(rowLink, "max-w-full text-left")} dir="auto" onClick={() => setFilters({ entry: e.id })}>
          {reasonOf(e)}
        </button>
      ),
    },
    { id: "type", head: "Type", width: "9rem", from: "lg", cell: (e) => <Badge>{words(e.event_type)}</Badge> },
    {
      id: "kind", head: "Kind", width: "6.5rem", from: "lg",
      cell: (e) => (e.category === "promotional" ? <Badge tone="promo">Promotional</Badge> : e.reverses ? <Badge tone="warn">Reversal</Badge> : e.hold_id ? <Badge>Capture</Badge> : null),
    },
    { id: "at", head: "Time", width: "8.5rem", from: "sm", cell: (e) => <span className="text-soft"><Time at={e.created_at} /></span> },
    {
      id: "amount", head: "Amount", width: "minmax(6.5rem,1fr)", right: true,
      cell: (e) => <Money amount={e.is_credit ? e.amount : -e.amount} currency={currency} signed className={e.is_credit ? "text-good" : undefined} />,
    },
    { id: "balance", head: "Balance", width: "minmax(7rem,1fr)", right: true, from: "sm", cell: (e) => <Money amount={e.after_balance} currency={currency} className="text-soft" /> },
  ];
  const filtered = !!(type || direction || from || to || key || ref || as_of);
  return (
    <section className="card overflow-hidden" aria-label={`Ledger in ${currency}`}>
      <header className="flex flex-wrap items-center gap-2 px-4 py-3 border-b border-line">
        <h2 className="font-semibold mr-auto">Ledger</h2>
        <Select label="Direction" none="In and out" value={direction} onChange={(next) => setFilters({ direction: next })} of={[["credit", "In"], ["debit", "Out"]]} />
        <Select label="Type" none="All types" value={type} onChange={(next) => setFilters({ type: next })} of={eventTypes.map((t) => [t, words(t)] as const)} />
        <DayInput label="From" value={from} onChange={(next) => setFilters({ from: next })} />
        <DayInput label="To" value={to} onChange={(next) => setFilters({ to: next })} />
        {filtered && (
          <Button small look="quiet" onClick={() => setFilters({ type: "", direction: "", from: "", to: "", key: "", ref: "", as_of: "" })}>Clear</Button>
        )}
        <Button small onClick={() => setExporting(true)}><Download size={14} aria-hidden />Export</Button>
      </header>
      {(key || ref || as_of) && (
        <p className="px-4 py-2 border-b border-line bg-tint text-sm">
          {as_of && <>As of <Time at={as_of} />. </>}{key && <>With the key <span className="font-mono">{key}</span>. </>}{ref && <>Of <span className="font-mono">{ref}</span>.</>}
        </p>
      )}
      <Table {...list} label="Ledger entries" columns={columns} keyOf={(e) => e.id} fresh={fresh} empty={filtered ? (
        <Empty title="No entry fits">Take a filter away to see more.</Empty>
      ) : (
        <Empty title="Nothing has moved yet" command={creditCommand(id, currency)}>Add funds above, or have your application do it:</Empty>
      )} />
      {exporting && <Export id={id} currency={currency} onClose={() => setExporting(false)} />}
    </section>
  );
}

function DayInput({ label, value, onChange }: { label: string; value: string; onChange: (next: string) => void }) {
  return (
    <label className="inline-flex items-center gap-1.5 text-sm text-soft">
      {label}
      <input type="date" value={value} onChange={(e) => onChange(e.target.value)}
        className={cx("h-8 rounded-lg border px-2 bg-surface text-sm hover:border-faint", value ? "border-accent text-ink" : "border-edge")} />
    </label>
  );
}

/** The keys of rows that came on top since the list was first shown. */
function useFresh(rows: Entry[] | undefined): ReadonlySet<string> {
  const top = useRef<number | null>(null);
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const newest = rows?.[0]?.position;
  useEffect(() => {
    if (newest === undefined) return;
    if (top.current !== null && newest > top.current) {
      const above = top.current;
      setFresh(new Set(rows!.filter((e) => e.position > above).map((e) => e.id)));
    }
    top.current = Math.max(top.current ?? 0, newest);
  }, [newest, rows]);
  return fresh;
}

function creditCommand(id: string, currency: string): string {
  return [`curl ${serverURL}/customers/${id}/wallets/ledger-entries \\`, `  -H "Authorization: Bearer $BILLFOLD_API_KEY" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '{"amount": 5000, "currency": "${currency}", "entry_type": "credit", "idempotency_key": "deposit_1"}'`].join("\n");
}

function Export({ id, currency, onClose }: { id: string; currency: string; onClose: () => void }) {
  const today = new Date().toISOString().slice(0, 10);
  const [from, setFrom] = useState(today.slice(0, 8) + "01");
  const [to, setTo] = useState(today);
  const [format, setFormat] = useState("csv");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const run = async () => {
    setBusy(true);
    setFailure(null);
    try {
      const behind = new Date(Date.parse(to) + 86_400_000).toISOString().slice(0, 10); // as the server wants it
      await download(`/customers/${id}/wallets/${currency}/statement`, { from, to: behind, format }, `statement-${currency}.${format}`);
      onClose();
    } catch (error) {
      setFailure((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <Modal label="Export" onClose={onClose}>
      <form className="contents" onSubmit={(e) => { e.preventDefault(); void run(); }}>
        <ModalHead title={`Statement of the ${currency} wallet`} sub="Up to 366 days. Days are those of UTC." onClose={onClose} />
        <ModalBody>
          <div className="grid gap-4 sm:grid-cols-2">
            <Field label="First day">{(p) => <input {...p} type="date" required value={from} onChange={(e) => setFrom(e.target.value)} />}</Field>
            <Field label="Last day">{(p) => <input {...p} type="date" required value={to} onChange={(e) => setTo(e.target.value)} />}</Field>
            <Field label="Format">
              {(p) => <select {...p} value={format} onChange={(e) => setFormat(e.target.value)}><option value="csv">CSV, for a spreadsheet</option><option value="pdf">PDF, for people</option></select>}
            </Field>
          </div>
          {failure && <p role="alert" className="text-sm text-bad mt-4">{failure}</p>}
        </ModalBody>
        <ModalFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={busy}>Download</Button></ModalFoot>
      </form>
    </Modal>
  );
}
