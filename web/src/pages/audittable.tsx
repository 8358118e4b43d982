import { useState, type ReactNode } from "react";
import type { AuditEntry, CustomerAuditEntry } from "../api/types";
import { CopyText, Facts, words } from "../ui/base";
import { Modal, ModalBody, ModalHead } from "../ui/dialog";
import { Raw, Time } from "../ui/show";
import { rowLink, Table, type Column } from "../ui/table";

type Line = (AuditEntry | CustomerAuditEntry) & { user_id?: string | null };

interface Props {
  rows: Line[] | undefined;
  label: string;
  empty: ReactNode;
  error?: unknown;
  retry?: () => void;
  more?: () => void;
  loadingMore?: boolean;
}

/** Who asked for a change: a person, a key, or the operator on the server. */
function byWhom(line: Line): string {
  return line.user_id ?? line.key_id ?? "operator of the server";
}

const text = (value: unknown): string => (value === null || value === undefined ? "nothing" : typeof value === "string" ? value : JSON.stringify(value));

export function AuditTable({ rows, label, empty, ...rest }: Props) {
  const [open, setOpen] = useState<Line | null>(null);
  const columns: Column<Line>[] = [
    { id: "action", head: "Change", width: "minmax(9rem,1.5fr)", cell: (l) => <button type="button" data-row className={rowLink} onClick={() => setOpen(l)}>{words(l.action)}</button> },
    { id: "what", head: "What", width: "minmax(8rem,2fr)", from: "md", cell: (l) => <span className="text-soft">{Object.keys(l.after ?? {}).join(", ")}</span> },
    { id: "who", head: "By", width: "minmax(8rem,1.5fr)", from: "lg", cell: (l) => <span className="font-mono text-xs text-soft">{byWhom(l)}</span> },
    { id: "at", head: "Time", width: "8.5rem", right: true, cell: (l) => <span className="text-soft"><Time at={l.created_at} /></span> },
  ];
  const names = open ? [...new Set([...Object.keys(open.before ?? {}), ...Object.keys(open.after ?? {})])] : [];
  const before = (open?.before ?? {}) as Record<string, unknown>;
  const after = (open?.after ?? {}) as Record<string, unknown>;
  return (
    <>
      <Table {...rest} label={label} columns={columns} rows={rows} keyOf={(l) => l.id} empty={empty} />
      {open && (
        <Modal kind="drawer" label="Change" onClose={() => setOpen(null)}>
          <ModalHead title={words(open.action)} sub={<Time at={open.created_at} />} onClose={() => setOpen(null)} />
          <ModalBody>
            <div className="grid gap-5">
              <Facts of={[
                ["By", <CopyText text={byWhom(open)} />],
                open.address && ["From", <span className="num">{open.address}</span>],
                open.reason && ["Reason", <span dir="auto">{open.reason}</span>],
                ["Line", <span className="num">{open.position.toLocaleString("en")}</span>],
                ["Hash", <CopyText text={open.hash} shown={open.hash.slice(0, 16) + "…"} label="Copy the hash" />],
              ]} />
              {names.map((name) => (
                <section key={name} className="rounded-lg border border-line overflow-hidden">
                  <h3 className="px-3 py-2 text-sm font-medium bg-sunken">{name}</h3>
                  <p className="px-3 py-2 font-mono text-xs break-all text-soft line-through">{text(before[name])}</p>
                  <p className="px-3 pb-2 font-mono text-xs break-all">{text(after[name])}</p>
                </section>
              ))}
              <Raw value={open} />
            </div>
          </ModalBody>
        </Modal>
      )}
    </>
  );
}
