import { useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { ChevronRight, Eye, RotateCw } from "lucide-react";
import { useState } from "react";
import { send, get } from "../api/client";
import { useGet, useList } from "../api/queries";
import type { Delivery, Webhook } from "../api/types";
import { useFilters } from "../app/search";
import { useSigned } from "../app/session";
import { Badge, Button, CopyText, Empty, Facts, Failure, Select, Skeleton, Status, words } from "../ui/base";
import { Modal, ModalBody, ModalFoot, ModalHead } from "../ui/dialog";
import { ago, Time } from "../ui/show";
import { rowLink, Table, type Column } from "../ui/table";
import { toast } from "../ui/toast";

export function WebhookPage() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const client = useQueryClient();
  const { may } = useSigned();
  const [filters, setFilters] = useFilters();
  const [open, setOpen] = useState<string | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const hook = useGet<Webhook>(`/webhooks/${id}`);
  const status = filters.status ?? "";
  const list = useList<Delivery>(`/webhooks/${id}/deliveries`, { status });
  const act = async (run: () => Promise<unknown>, said: string) => {
    try {
      await run();
      await client.invalidateQueries({ predicate: (q) => String(q.queryKey[2]).startsWith("/webhooks") });
      toast(said);
    } catch (error) {
      toast((error as Error).message, true);
    }
  };
  const resend = (event: string) => act(() => send("POST", `/webhooks/${id}/deliveries/${event}/resend`, {}), "It will be sent again at once.");
  const columns: Column<Delivery>[] = [
    { id: "type", head: "Event", width: "minmax(10rem,2fr)", cell: (d) => <button type="button" data-row className={rowLink} onClick={() => setOpen(d.event_id)}>{d.type}</button> },
    { id: "status", head: "Status", width: "7rem", cell: (d) => <Status of={d.status} /> },
    { id: "tries", head: "Tries", width: "4rem", right: true, from: "md", cell: (d) => <span className="num">{d.tries}</span> },
    { id: "last", head: "Last answer", width: "minmax(7rem,1fr)", from: "lg", cell: (d) => <span className="text-soft">{lastOf(d)}</span> },
    { id: "at", head: "Queued", width: "8.5rem", right: true, from: "sm", cell: (d) => <span className="text-soft"><Time at={d.queued_at} /></span> },
  ];
  const shown = list.rows?.find((d) => d.event_id === open);
  if (hook.error && !hook.data) return <Failure error={hook.error} retry={() => void hook.refetch()} />;
  const w = hook.data;
  return (
    <>
      <nav aria-label="Where this is" className="flex items-center gap-1 text-sm text-soft mb-2">
        <Link to="/webhooks" className="hover:text-ink">Webhooks</Link><ChevronRight size={14} aria-hidden /><CopyText text={id} label="Copy the id of the webhook" />
      </nav>
      {!w ? <Skeleton className="h-40 w-full" /> : (
        <>
          <div className="flex flex-wrap items-center gap-3 mb-5">
            <h1 className="text-xl font-semibold tracking-tight break-all">{w.url}</h1>
            {w.disabled ? <Badge tone="bad">Disabled</Badge> : <Badge tone="good">Enabled</Badge>}
            {may("webhooks") && (
              <div className="ml-auto flex flex-wrap gap-2">
                <Button onClick={() => void act(() => send("PATCH", `/webhooks/${id}`, { disabled: !w.disabled }), w.disabled ? "Enabled." : "Disabled. What happens meanwhile is kept.")}>
                  {w.disabled ? "Enable" : "Disable"}
                </Button>
                <Button onClick={() => void act(() => send("POST", `/webhooks/${id}/replay`, { since: new Date(Date.now() - 86_400_000).toISOString() }), "The events of the last day will be sent again.")}>
                  <RotateCw size={15} aria-hidden />Replay the last day
                </Button>
              </div>
            )}
          </div>
          <section className="card p-5 mb-6" aria-label="Webhook">
            <Facts of={[
              w.description && ["Description", <span dir="auto">{w.description}</span>],
              ["Events", w.filter_types ? w.filter_types.join(", ") : "All published types"],
              ["Messages a second", w.rate_limit ?? "As many as there are"],
              ["In order", w.in_order ? "Always" : "While deliveries succeed"],
              ["Created", <Time at={w.created_at} />],
              may("webhooks") && ["Signing secret", secret ? <CopyText text={secret} label="Copy the signing secret" /> : (
                <Button small look="quiet" onClick={() => void get<{ secret: string }>(`/webhooks/${id}/secret`).then((s) => setSecret(s.secret), (e: Error) => toast(e.message, true))}>
                  <Eye size={14} aria-hidden />Show
                </Button>
              )],
            ]} />
          </section>
          <section className="card overflow-hidden" aria-label="Deliveries">
            <header className="flex items-center gap-2 px-4 py-3 border-b border-line">
              <h2 className="font-semibold mr-auto">Deliveries</h2>
              <Select label="Status" none="Any status" value={status} onChange={(next) => setFilters({ status: next })} of={[["pending", "Pending"], ["delivered", "Delivered"], ["failed", "Failed"]]} />
            </header>
            <Table {...list} label="Deliveries" columns={columns} keyOf={(d) => d.event_id} empty={<Empty title={status ? "No delivery fits" : "Nothing was sent yet"}>Each event that this webhook asks for is sent here.</Empty>} />
          </section>
        </>
      )}
      {shown && (
        <Modal kind="drawer" label="Delivery" onClose={() => setOpen(null)}>
          <ModalHead title={shown.type} sub={<CopyText text={shown.event_id} />} onClose={() => setOpen(null)} />
          <ModalBody>
            <Facts of={[["Status", <Status of={shown.status} />], ["Tries", shown.tries], shown.next_attempt_at && ["Next attempt", ago(shown.next_attempt_at)], ["Queued", <Time at={shown.queued_at} />]]} />
            <h3 className="font-semibold mt-5 mb-2">Attempts</h3>
            {shown.attempts.length === 0 && <p className="text-soft">None yet.</p>}
            <ol className="grid gap-3">
              {[...shown.attempts].reverse().map((a) => (
                <li key={a.at} className="rounded-lg border border-line p-3 grid gap-1.5">
                  <div className="flex items-center gap-3"><Status of={a.outcome} />{a.http_status && <span className="num">{a.http_status}</span>}
                    <span className="text-soft text-sm ml-auto"><Time at={a.at} />, <span className="num">{a.took_ms} ms</span></span></div>
                  {a.detail && <p className="text-sm text-soft break-words">{a.detail}</p>}
                  {a.answer && <pre tabIndex={0} aria-label="Answer" className="bg-sunken rounded p-2 font-mono text-xs overflow-x-auto max-h-40">{a.answer}</pre>}
                </li>
              ))}
            </ol>
          </ModalBody>
          {may("webhooks") && <ModalFoot><Button onClick={() => void resend(shown.event_id)}><RotateCw size={15} aria-hidden />Send again</Button></ModalFoot>}
        </Modal>
      )}
    </>
  );
}

function lastOf(d: Delivery): string {
  const last = d.attempts.at(-1);
  return last ? (last.http_status ? `${last.http_status} in ${last.took_ms} ms` : words(last.outcome)) : "";
}
