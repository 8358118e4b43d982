import { useList } from "../api/queries";
import type { AuditEntry } from "../api/types";
import { Empty, Heading } from "../ui/base";
import { AuditTable } from "./audittable";

export function Audit() {
  const list = useList<AuditEntry>("/business/audit");
  return (
    <>
      <Heading title="Audit log" sub="Who changed what of this business. It is written together with the change, and each line has the hash of the one before." />
      <section className="card overflow-hidden" aria-label="Audit log">
        <AuditTable {...list} label="Changes of the business" empty={<Empty title="Nothing was changed yet">Changes of settings, keys and products are kept here.</Empty>} />
      </section>
    </>
  );
}
