import { useQueryClient } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { useState, type FormEvent } from "react";
import { send } from "../api/client";
import { keyOf, useGet } from "../api/queries";
import type { Invitation, Member, Role } from "../api/types";
import { useSigned } from "../app/session";
import { Badge, Button, Command, Empty, Failure, Field, Heading, IconButton, Skeleton, words } from "../ui/base";
import { Modal, ModalBody, ModalFoot, ModalHead } from "../ui/dialog";
import { ago, Time } from "../ui/show";
import { toast } from "../ui/toast";

const roles: readonly (readonly [Role, string])[] = [
  ["owner", "Everything, the team among it"], ["admin", "Everything but owners"], ["support", "Customers, their money, payments and refunds"],
  ["finance", "Refunds, and invoices that are void"], ["read_only", "Looks, and changes nothing"],
];

export function Team() {
  const { session, business, may } = useSigned();
  const client = useQueryClient();
  const [inviting, setInviting] = useState(false);
  const members = useGet<{ items: Member[] }>("/dashboard/api/team");
  const invitations = useGet<{ items: Invitation[] }>("/dashboard/api/invitations");
  const act = async (run: () => Promise<unknown>, said: string) => {
    try {
      await run();
      toast(said);
    } catch (error) {
      toast((error as Error).message, true);
    }
    void client.invalidateQueries({ queryKey: keyOf("/dashboard/api/team") });
    void client.invalidateQueries({ queryKey: keyOf("/dashboard/api/invitations") });
    void client.invalidateQueries({ queryKey: ["session"] });
  };
  const manage = may("team");
  const touches = (m: Member) => manage && (m.role !== "owner" || business.role === "owner");
  return (
    <>
      <Heading title="Team" sub="Who may sign in for this business, and what they may change. Everybody in it may look.">
        {manage && <Button look="primary" onClick={() => setInviting(true)}><Plus size={16} aria-hidden />Invite</Button>}
      </Heading>
      <section className="card overflow-hidden" aria-label="Members">
        {members.error ? <Failure error={members.error} retry={() => void members.refetch()} /> : !members.data ? <div className="p-4"><Skeleton className="h-24 w-full" /></div> : (
          <ul className="divide-y divide-line">
            {members.data.items.map((m) => {
              const self = m.user_id === session.user.user_id;
              return (
                <li key={m.user_id} className="px-4 py-3 flex flex-wrap items-center gap-x-4 gap-y-2">
                  <div className="min-w-0 flex-1 basis-48">
                    <p className="font-medium truncate" dir="auto">{m.name}{self && <span className="text-soft font-normal"> (you)</span>}</p>
                    <p className="text-sm text-soft truncate">{m.email}</p>
                  </div>
                  {m.second_factor ? <Badge tone="good">Second factor</Badge> : <Badge tone="warn">Password only</Badge>}
                  <span className="text-sm text-soft w-28 hidden md:block">{m.signed_in_at ? ago(m.signed_in_at) : "Never signed in"}</span>
                  {touches(m) ? (
                    <select aria-label={`Role of ${m.name}`} className="field w-auto! h-8" value={m.role}
                      onChange={(e) => void act(() => send("PATCH", `/dashboard/api/team/${m.user_id}`, { role: e.target.value }), "The role was changed.")}>
                      {roles.filter(([r]) => r !== "owner" || business.role === "owner").map(([r]) => <option key={r} value={r}>{words(r)}</option>)}
                    </select>
                  ) : <Badge>{words(m.role)}</Badge>}
                  {(touches(m) || self) && (
                    <IconButton label={self ? "Leave the team" : `Remove ${m.name}`} onClick={() => {
                      if (confirm(self ? "Leave this team?" : `Remove ${m.name} from the team?`)) void act(() => send("DELETE", `/dashboard/api/team/${m.user_id}`), self ? "You have left." : "Removed.");
                    }}><Trash2 size={15} aria-hidden /></IconButton>
                  )}
                </li>
              );
            })}
          </ul>
        )}
      </section>
      <h2 className="font-semibold mt-8 mb-3">Invitations</h2>
      <section className="card overflow-hidden" aria-label="Invitations">
        {invitations.data?.items.length === 0 && <Empty title="Nobody is invited">An invitation is a link to hand on. It works once.</Empty>}
        {invitations.error && <Failure error={invitations.error} />}
        <ul className="divide-y divide-line">
          {invitations.data?.items.map((i) => (
            <li key={i.invitation_id} className="px-4 py-3 flex items-center gap-4">
              <span className="min-w-0 flex-1 truncate">{i.email ?? "Whoever has the link"}</span>
              <Badge>{words(i.role)}</Badge>
              <span className="text-sm text-soft hidden sm:inline">until <Time at={i.expires_at} /></span>
              {manage && <IconButton label="Withdraw the invitation" onClick={() => void act(() => send("DELETE", `/dashboard/api/invitations/${i.invitation_id}`), "The invitation was withdrawn.")}><Trash2 size={15} aria-hidden /></IconButton>}
            </li>
          ))}
        </ul>
      </section>
      {inviting && <Invite owner={business.role === "owner"} onClose={() => { setInviting(false); void invitations.refetch(); }} />}
    </>
  );
}

function Invite({ owner, onClose }: { owner: boolean; onClose: () => void }) {
  const [role, setRole] = useState<Role>("support");
  const [email, setEmail] = useState("");
  const [made, setMade] = useState<Invitation | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    try {
      setMade(await send<Invitation>("POST", "/dashboard/api/invitations", { role, ...(email ? { email } : {}) }));
    } catch (error) {
      setFailure((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal label="Invite" onClose={onClose}>
      <form className="contents" onSubmit={(e) => void submit(e)}>
        <ModalHead title="Invite somebody" sub={made ? "This link is shown once. It works once." : undefined} onClose={onClose} />
        <ModalBody>
          {made ? <Command text={made.link ?? ""} /> : (
            <div className="grid gap-4">
              <Field label="Role" hint={roles.find(([r]) => r === role)?.[1]}>
                {(p) => (
                  <select {...p} value={role} onChange={(e) => setRole(e.target.value as Role)}>
                    {roles.filter(([r]) => r !== "owner" || owner).map(([r]) => <option key={r} value={r}>{words(r)}</option>)}
                  </select>
                )}
              </Field>
              <Field label="Email" hint="Optional. With one, only it can join." error={failure}>{(p) => <input {...p} type="email" value={email} onChange={(e) => setEmail(e.target.value)} />}</Field>
            </div>
          )}
        </ModalBody>
        <ModalFoot>
          {made ? <Button look="primary" onClick={onClose}>Done</Button> : <><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={busy}>Make a link</Button></>}
        </ModalFoot>
      </form>
    </Modal>
  );
}
