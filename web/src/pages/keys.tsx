import { useList } from "../api/queries";
import type { AuditEntry } from "../api/types";
import { useSigned } from "../app/session";
import { Badge, Command, CopyText, Empty, Heading } from "../ui/base";
import { Time } from "../ui/show";
import { Table, type Column } from "../ui/table";

interface Key {
  id: string;
  name: string;
  hint: string;
  scope: string;
  made: string;
  revoked: string | null;
}

/** The keys of the business, as the audit log tells of them. */
function keysOf(lines: AuditEntry[]): Key[] {
  const keys = new Map<string, Key>();
  for (const line of [...lines].reverse()) {
    for (const [id, value] of Object.entries((line.after ?? {}) as Record<string, unknown>)) {
      const said = (value ?? {}) as { name?: string; hint?: string; scope?: string };
      if (line.action === "key.create") keys.set(id, { id, name: said.name ?? "", hint: said.hint ?? "", scope: said.scope ?? "", made: line.created_at, revoked: null });
      const known = keys.get(id);
      if (line.action === "key.revoke" && known) known.revoked = line.created_at;
    }
  }
  return [...keys.values()].reverse();
}

const columns: Column<Key>[] = [
  { id: "name", head: "Name", width: "minmax(8rem,2fr)", cell: (k) => <span className="font-medium" dir="auto">{k.name || "Without a name"}</span> },
  { id: "hint", head: "Key", width: "minmax(8rem,1fr)", from: "lg", cell: (k) => <span className="font-mono text-xs text-soft">{k.hint}</span> },
  { id: "id", head: "Id", width: "minmax(9rem,2fr)", from: "md", cell: (k) => <CopyText text={k.id} /> },
  { id: "scope", head: "May", width: "6rem", from: "sm", cell: (k) => k.scope && <Badge>{k.scope}</Badge> },
  { id: "state", head: "State", width: "6rem", cell: (k) => (k.revoked ? <Badge tone="bad">Revoked</Badge> : <Badge tone="good">Works</Badge>) },
  { id: "made", head: "Made", width: "8rem", right: true, from: "sm", cell: (k) => <span className="text-soft"><Time at={k.made} only="day" /></span> },
];

export function Keys() {
  const { mode, business } = useSigned();
  const list = useList<AuditEntry>("/business/audit", {}, { size: 100 });
  const { more, loadingMore } = list;
  const rows = list.rows && keysOf(list.rows);
  return (
    <>
      <Heading title="API keys" sub={`What your applications sign their requests with, in ${mode} mode. A key is shown once, when it is made.`} />
      <div className="grid gap-6">
        <section className="card overflow-hidden" aria-label="API keys">
          <Table label="API keys" columns={columns} rows={rows} keyOf={(k) => k.id} error={list.error} retry={list.retry} more={more} loadingMore={loadingMore}
            empty={<Empty title="No keys were made in this mode" />} />
        </section>
        <section className="card p-5 grid gap-3 max-w-2xl" aria-label="Making and revoking keys">
          <h2 className="font-semibold">Make and revoke keys</h2>
          <p className="text-soft">Keys are made where the server runs, so that nobody who takes over a browser has one.</p>
          <Command text={`billfold keys create --business ${business.business_id} --mode ${mode} --name "checkout"`} />
          <Command text="billfold keys revoke KEY_ID" />
        </section>
      </div>
    </>
  );
}
