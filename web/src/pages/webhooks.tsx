import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState, type FormEvent } from "react";
import { APIError, randomKey, send, serverURL } from "../api/client";
import { useGet } from "../api/queries";
import type { Webhook } from "../api/types";
import { useSigned } from "../app/session";
import { Badge, Button, Empty, Field, Heading } from "../ui/base";
import { Modal, ModalBody, ModalFoot, ModalHead } from "../ui/dialog";
import { Time } from "../ui/show";
import { rowLink, Table, type Column } from "../ui/table";

const columns: Column<Webhook>[] = [
  { id: "url", head: "Address", width: "minmax(10rem,3fr)", cell: (w) => <Link data-row to="/webhooks/$id" params={{ id: w.id }} className={rowLink}>{w.url}</Link> },
  { id: "description", head: "Description", width: "minmax(7rem,2fr)", from: "md", cell: (w) => <span className="text-soft" dir="auto">{w.description}</span> },
  { id: "types", head: "Events", width: "7rem", from: "lg", cell: (w) => <span className="text-soft">{w.filter_types ? `${w.filter_types.length} types` : "All published"}</span> },
  { id: "state", head: "State", width: "6rem", cell: (w) => (w.disabled ? <Badge tone="bad">Disabled</Badge> : <Badge tone="good">Enabled</Badge>) },
  { id: "made", head: "Created", width: "8rem", right: true, from: "sm", cell: (w) => <span className="text-soft"><Time at={w.created_at} only="day" /></span> },
];

export function Webhooks() {
  const { may } = useSigned();
  const list = useGet<{ data: Webhook[] }>("/webhooks");
  const [adding, setAdding] = useState(false);
  return (
    <>
      <Heading title="Webhooks" sub="Where events are sent to, signed by the standard of Standard Webhooks.">
        {may("webhooks") && <Button look="primary" onClick={() => setAdding(true)}><Plus size={16} aria-hidden />Add webhook</Button>}
      </Heading>
      <section className="card overflow-hidden" aria-label="Webhooks">
        <Table label="Webhooks" columns={columns} rows={list.data?.data} keyOf={(w) => w.id} error={list.error} retry={() => void list.refetch()} empty={
          <Empty title="No webhooks yet" command={[`curl ${serverURL}/webhooks \\`, `  -H "Authorization: Bearer $BILLFOLD_API_KEY" \\`,
            `  -H "Content-Type: application/json" \\`, `  -d '{"url": "https://example.com/billfold"}'`].join("\n")}>
            Have your application told of what happens:
          </Empty>} />
      </section>
      {adding && <Add onClose={() => setAdding(false)} />}
    </>
  );
}

function Add({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const go = useNavigate();
  const [form, setForm] = useState({ url: "", description: "" });
  const [failure, setFailure] = useState<APIError | null>(null);
  const [busy, setBusy] = useState(false);
  const [key] = useState(() => randomKey("dash"));
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    try {
      const made = await send<Webhook>("POST", "/webhooks", { url: form.url, description: form.description }, key);
      void client.invalidateQueries({ predicate: (q) => q.queryKey[2] === "/webhooks" });
      void go({ to: "/webhooks/$id", params: { id: made.id } });
    } catch (error) {
      setFailure(error as APIError);
      setBusy(false);
    }
  };
  return (
    <Modal label="Add a webhook" onClose={onClose}>
      <form className="contents" onSubmit={(e) => void submit(e)}>
        <ModalHead title="Add a webhook" onClose={onClose} />
        <ModalBody>
          <div className="grid gap-4">
            <Field label="Address" hint="https, on a host of the Internet." error={failure?.message}>
              {(p) => <input {...p} type="url" required autoFocus placeholder="https://example.com/billfold" value={form.url} onChange={(e) => setForm({ ...form, url: e.target.value })} />}
            </Field>
            <Field label="Description">{(p) => <input {...p} maxLength={500} value={form.description} onChange={(e) => setForm({ ...form, description: e.target.value })} />}</Field>
          </div>
        </ModalBody>
        <ModalFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={busy}>Add webhook</Button></ModalFoot>
      </form>
    </Modal>
  );
}
