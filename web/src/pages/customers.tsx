import { Link, useNavigate } from "@tanstack/react-router";
import { Plus, Search as Glass } from "lucide-react";
import { useEffect, useState, type FormEvent } from "react";
import { APIError, currentScope, randomKey, send, serverURL } from "../api/client";
import { useGet, useList } from "../api/queries";
import type { Customer, WalletList } from "../api/types";
import { useFilters } from "../app/search";
import { useSigned } from "../app/session";
import { Badge, Button, Empty, Field, Heading, Skeleton } from "../ui/base";
import { Modal, ModalBody, ModalFoot, ModalHead } from "../ui/dialog";
import { Money, Time } from "../ui/show";
import { rowLink, Table, type Column } from "../ui/table";
import { toast } from "../ui/toast";

/** The balances of one customer, asked for when their row comes in sight. */
function Balances({ id }: { id: string }) {
  const wallets = useGet<WalletList>(`/customers/${id}/wallets`);
  if (wallets.error) return <span className="text-faint">not known</span>;
  if (!wallets.data) return <Skeleton className="h-3.5 w-24 ml-auto" />;
  const used = wallets.data.items.filter((w) => w.seq > 0 || w.balance > 0);
  if (used.length === 0) return <span className="text-faint">No funds yet</span>;
  return (
    <span className="inline-flex gap-4 justify-end">
      {used.slice(0, 3).map((w) => <Money key={w.currency} amount={w.balance} currency={w.currency} />)}
      {used.length > 3 && <span className="text-faint">+{used.length - 3}</span>}
    </span>
  );
}

const columns: Column<Customer>[] = [
  {
    id: "name", head: "Customer", width: "minmax(10rem,2fr)",
    cell: (c) => <Link data-row to="/customers/$id" params={{ id: c.customer_id }} className={rowLink} dir="auto">{c.name}</Link>,
  },
  { id: "email", head: "Email", width: "minmax(8rem,2fr)", from: "md", cell: (c) => <span className="text-soft">{c.email}</span> },
  {
    id: "state", head: "State", width: "6rem", from: "lg",
    cell: (c) => (c.freezes.length ? <Badge tone="warn">{c.blocked_at ? "Frozen" : "Partly frozen"}</Badge> : c.test_clock ? <Badge>Clock</Badge> : null),
  },
  { id: "created", head: "Created", width: "7.5rem", from: "lg", cell: (c) => <span className="text-soft"><Time at={c.created_at} only="day" /></span> },
  { id: "balances", head: "Balances", width: "minmax(8rem,2fr)", right: true, cell: (c) => <Balances id={c.customer_id} /> },
];

export function Customers() {
  const [filters, setFilters] = useFilters();
  const { may } = useSigned();
  const [text, setText] = useState(filters.q ?? "");
  const [adding, setAdding] = useState(!!filters.new);
  useEffect(() => {
    if ((filters.q ?? "") === text.trim()) return;
    const timer = setTimeout(() => setFilters({ q: text.trim() }), 250);
    return () => clearTimeout(timer);
  }, [text, filters.q, setFilters]);
  const q = filters.q ?? "";
  const list = useList<Customer>("/customers", q ? (q.includes("@") ? { email: q } : { name: q }) : {});
  return (
    <>
      <Heading title="Customers" sub="Newest first. Each has a wallet in every currency that is enabled.">
        {may("customers") && <Button look="primary" onClick={() => setAdding(true)}><Plus size={16} aria-hidden />Add customer</Button>}
      </Heading>
      <div className="relative mb-3 max-w-sm">
        <Glass size={15} className="absolute left-3 top-2.5 text-faint" aria-hidden />
        <input type="search" aria-label="Search customers" placeholder="Part of a name, or a whole email" value={text}
          onChange={(e) => setText(e.target.value)} className="field pl-9" />
      </div>
      <section className="card overflow-hidden" aria-label="Customers">
        <Table {...list} label="Customers" columns={columns} keyOf={(c) => c.customer_id} empty={q ? (
          <Empty title="No customer is called so">Names are searched for a part of them, emails for the whole address.</Empty>
        ) : (
          <Empty title="No customers yet" command={createCommand()}>Add one here, or have your application do it:</Empty>
        )} />
      </section>
      {adding && <AddCustomer onClose={() => { setAdding(false); setFilters({ new: "" }); }} />}
    </>
  );
}

function createCommand(): string {
  return [`curl ${serverURL}/customers \\`, `  -H "Authorization: Bearer $BILLFOLD_API_KEY" \\`, `  -H "Content-Type: application/json" \\`,
    `  -d '{"email": "jane@example.com", "name": "Jane Doe"}'`].join("\n");
}

function AddCustomer({ onClose }: { onClose: () => void }) {
  const go = useNavigate();
  const [form, setForm] = useState({ name: "", email: "", phone: "" });
  const [failure, setFailure] = useState<APIError | null>(null);
  const [busy, setBusy] = useState(false);
  const [key] = useState(() => randomKey("dash"));
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    try {
      const made = await send<Customer>("POST", "/customers", {
        name: form.name, email: form.email, ...(form.phone ? { phone_number: form.phone } : {}),
      }, key);
      toast(`${made.name} was added in ${currentScope().mode} mode.`);
      onClose();
      void go({ to: "/customers/$id", params: { id: made.customer_id } });
    } catch (error) {
      setFailure(error as APIError);
      setBusy(false);
    }
  };
  const at = (param: string) => (failure?.param === param ? failure.message : null);
  const other = failure && !["name", "email", "phone_number"].includes(failure.param ?? "") ? failure.message : null;
  return (
    <Modal label="Add a customer" onClose={onClose}>
      <form onSubmit={(e) => void submit(e)} className="contents">
        <ModalHead title="Add a customer" onClose={onClose} />
        <ModalBody>
          <div className="grid gap-4">
            <Field label="Name" error={at("name")}>{(p) => <input {...p} autoFocus required maxLength={255} value={form.name} onChange={(e) => setForm({ ...form, name: e.target.value })} />}</Field>
            <Field label="Email" error={at("email")}>{(p) => <input {...p} type="email" required value={form.email} onChange={(e) => setForm({ ...form, email: e.target.value })} />}</Field>
            <Field label="Phone" hint="Optional, with the country, such as +14155552671." error={at("phone_number")}>
              {(p) => <input {...p} type="tel" value={form.phone} onChange={(e) => setForm({ ...form, phone: e.target.value })} />}
            </Field>
            {other && <p role="alert" className="text-sm text-bad">{other}</p>}
          </div>
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={busy}>Add customer</Button>
        </ModalFoot>
      </form>
    </Modal>
  );
}
