import { useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState, type FormEvent } from "react";
import { APIError, randomKey, send, serverURL } from "../api/client";
import { useGet, useList } from "../api/queries";
import type { Business, Product, ProductDetail } from "../api/types";
import { useFilters } from "../app/search";
import { useSigned } from "../app/session";
import { parse } from "../money/money";
import { Badge, Button, Choice, CopyText, Empty, Facts, Failure, Field, Heading, Select, Skeleton, words } from "../ui/base";
import { Modal, ModalBody, ModalFoot, ModalHead } from "../ui/dialog";
import { Money, Raw, Time } from "../ui/show";
import { rowLink, Table, type Column } from "../ui/table";
import { toast } from "../ui/toast";

type Price = ProductDetail["price"];

/** How often a price is paid: "a month", "every 3 weeks", or once. */
function rhythm(price: Price): string {
  if (price.type === "one_time_price") return price.pay_what_you_want ? "or more, once" : "once";
  const unit = price.payment_frequency_interval.toLowerCase();
  return price.payment_frequency_count === 1 ? `a ${unit}` : `every ${price.payment_frequency_count} ${unit}s`;
}

export function Products() {
  const [filters, setFilters] = useFilters();
  const { may } = useSigned();
  const [adding, setAdding] = useState(false);
  const archived = filters.archived ?? "";
  const list = useList<Product>("/products", { archived });
  const columns: Column<Product>[] = [
    { id: "name", head: "Product", width: "minmax(10rem,3fr)", cell: (p) => <button type="button" data-row className={rowLink + " max-w-full text-left"} dir="auto" onClick={() => setFilters({ open: p.product_id })}>{p.name}</button> },
    { id: "kind", head: "Tax category", width: "9rem", from: "lg", cell: (p) => <span className="text-soft">{words(p.tax_category)}</span> },
    { id: "state", head: "State", width: "6rem", from: "sm", cell: (p) => (p.archived_at ? <Badge>Archived</Badge> : <Badge tone="good">Sold</Badge>) },
    { id: "made", head: "Created", width: "7.5rem", from: "md", cell: (p) => <span className="text-soft"><Time at={p.created_at} only="day" /></span> },
    { id: "price", head: "Price", width: "minmax(8rem,1fr)", right: true, cell: (p) => <><Money amount={p.price} currency={p.currency} /><span className="text-soft hidden sm:inline"> {rhythm(p.price_detail)}</span></> },
  ];
  return (
    <>
      <Heading title="Products" sub="What customers pay for and subscribe to.">
        {may("products") && <Button look="primary" onClick={() => setAdding(true)}><Plus size={16} aria-hidden />Add product</Button>}
      </Heading>
      <section className="card overflow-hidden" aria-label="Products">
        <header className="flex justify-end px-4 py-2.5 border-b border-line">
          <Select label="State" value={archived} onChange={(next) => setFilters({ archived: next })} of={[["", "Sold"], ["true", "Archived"]]} />
        </header>
        <Table {...list} label="Products" columns={columns} keyOf={(p) => p.product_id} empty={archived ? <Empty title="No product is archived" /> : (
          <Empty title="No products yet" command={createCommand()}>Add one here, or have your application do it:</Empty>
        )} />
      </section>
      {filters.open && <Drawer id={filters.open} listed={list.rows?.find((p) => p.product_id === filters.open)} onClose={() => setFilters({ open: "" })} />}
      {adding && <Add onClose={() => setAdding(false)} />}
    </>
  );
}

function createCommand(): string {
  return [`curl ${serverURL}/products \\`, `  -H "Authorization: Bearer $BILLFOLD_API_KEY" \\`, `  -H "Content-Type: application/json" \\`,
    `  -d '{"name": "Course", "tax_category": "edtech", "price": {"type": "one_time_price", "price": 5000, "currency": "USD", "discount": 0, "purchasing_power_parity": false}}'`].join("\n");
}

/** One product. An archived one is shown as the list has it, since the API answers that it is gone. */
function Drawer({ id, listed, onClose }: { id: string; listed: Product | undefined; onClose: () => void }) {
  const client = useQueryClient();
  const { may } = useSigned();
  const [archived, setArchived] = useState(!!listed?.archived_at);
  const found = useGet<ProductDetail>(`/products/${id}`, undefined, { enabled: !archived && !listed?.archived_at });
  const [busy, setBusy] = useState(false);
  const p = found.data ?? (listed && { ...listed, price: listed.price_detail });
  const turn = async () => {
    setBusy(true);
    try {
      if (archived) await send("POST", `/products/${id}/unarchive`);
      else await send("DELETE", `/products/${id}`);
      toast(archived ? "It is sold again." : "It was archived. Who has subscribed to it goes on.");
      setArchived(!archived);
      await client.invalidateQueries({ predicate: (q) => q.queryKey[2] === "/products" });
    } catch (error) {
      toast((error as Error).message, true);
    }
    setBusy(false);
  };
  return (
    <Modal kind="drawer" label="Product" onClose={onClose}>
      <ModalHead title={p ? <span dir="auto" className="line-clamp-3">{p.name}</span> : "Product"} sub={<CopyText text={id} />} onClose={onClose} />
      <ModalBody>
        {found.error && !p ? <Failure error={found.error} retry={() => void found.refetch()} /> : !p ? <Skeleton className="h-64 w-full" /> : (
          <div className="grid gap-5">
            <Facts of={[
              ["State", archived ? <Badge>Archived</Badge> : <Badge tone="good">Sold</Badge>],
              ["Price", <><Money amount={p.price.price} currency={p.price.currency} /> {rhythm(p.price)}</>],
              p.price.type === "recurring_price" && p.price.trial_period_days > 0 && ["Trial", `${p.price.trial_period_days} days`],
              ["Tax category", words(p.tax_category)],
              ["Created", <Time at={p.created_at} />],
            ]} />
            {p.description && <p dir="auto" className="text-soft whitespace-pre-wrap break-words max-h-60 overflow-y-auto" tabIndex={0}>{p.description}</p>}
            <Raw value={p} />
          </div>
        )}
      </ModalBody>
      {p && may("products") && <ModalFoot><Button busy={busy} onClick={() => void turn()}>{archived ? "Sell it again" : "Archive"}</Button></ModalFoot>}
    </Modal>
  );
}

const categories = ["digital_products", "saas", "e_book", "edtech", "live_tutoring"];

function Add({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const business = useGet<Business>("/business");
  const [form, setForm] = useState({ name: "", description: "", tax_category: "saas", kind: "recurring_price", price: "", currency: "", interval: "Month" });
  const [failure, setFailure] = useState<APIError | null>(null);
  const [busy, setBusy] = useState(false);
  const [key] = useState(() => randomKey("dash"));
  const currency = form.currency || business.data?.enabled_currencies.find((c) => c === "USD") || business.data?.enabled_currencies[0] || "USD";
  const price = parse(form.price, currency);
  const set = (name: keyof typeof form) => (e: { target: { value: string } }) => setForm({ ...form, [name]: e.target.value });
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    if (typeof price === "string") return;
    setBusy(true);
    const common = { price: Number(price), currency, discount: 0, purchasing_power_parity: false }; // at most 999,999,999,999
    const detail = form.kind === "one_time_price" ? { type: form.kind, ...common } : {
      type: form.kind, ...common, payment_frequency_count: 1, payment_frequency_interval: form.interval, subscription_period_count: 10, subscription_period_interval: "Year",
    };
    try {
      await send("POST", "/products", { name: form.name, tax_category: form.tax_category, price: detail, ...(form.description ? { description: form.description } : {}) }, key);
      await client.invalidateQueries({ predicate: (q) => String(q.queryKey[2]).startsWith("/products") });
      toast("The product was added.");
      onClose();
    } catch (error) {
      setFailure(error as APIError);
      setBusy(false);
    }
  };
  return (
    <Modal label="Add a product" onClose={onClose}>
      <form className="contents" onSubmit={(e) => void submit(e)}>
        <ModalHead title="Add a product" onClose={onClose} />
        <ModalBody>
          <div className="grid gap-4">
            <Field label="Name" error={failure?.message}>{(p) => <input {...p} required autoFocus maxLength={255} value={form.name} onChange={set("name")} />}</Field>
            <Field label="Description">{(p) => <textarea {...p} rows={3} maxLength={10000} value={form.description} onChange={set("description")} />}</Field>
            <div><Choice label="How it is paid" value={form.kind} of={[["recurring_price", "Again and again"], ["one_time_price", "Once"]]} onChange={(kind) => setForm({ ...form, kind })} /></div>
            <div className="grid gap-4 grid-cols-2">
              <Field label="Price" error={form.price && typeof price === "string" ? price : null}>{(p) => <input {...p} className="field num text-right" inputMode="decimal" required value={form.price} onChange={set("price")} />}</Field>
              <Field label="Currency">{(p) => <select {...p} value={currency} onChange={set("currency")}>{(business.data?.enabled_currencies ?? [currency]).map((c) => <option key={c}>{c}</option>)}</select>}</Field>
              {form.kind === "recurring_price" && <Field label="Each">{(p) => <select {...p} value={form.interval} onChange={set("interval")}>{["Day", "Week", "Month", "Year"].map((i) => <option key={i}>{i}</option>)}</select>}</Field>}
              <Field label="Tax category">{(p) => <select {...p} value={form.tax_category} onChange={set("tax_category")}>{categories.map((c) => <option key={c} value={c}>{words(c)}</option>)}</select>}</Field>
            </div>
          </div>
        </ModalBody>
        <ModalFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={busy} disabled={typeof price === "string"}>Add product</Button></ModalFoot>
      </form>
    </Modal>
  );
}
