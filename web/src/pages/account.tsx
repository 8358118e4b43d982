import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { encode } from "uqr";
import { send } from "../api/client";
import { keyOf, useGet } from "../api/queries";
import type { SessionItem } from "../api/types";
import { useSigned } from "../app/session";
import { Badge, Button, Command, CopyText, Field, Heading, Skeleton } from "../ui/base";
import { ago } from "../ui/show";
import { toast } from "../ui/toast";

export function Account() {
  const { session } = useSigned();
  return (
    <>
      <Heading title="Account and security" sub={session.user.email} />
      <div className="grid gap-6 max-w-2xl">
        <SecondFactor />
        <Password />
        <Sessions />
      </div>
    </>
  );
}

function useAct() {
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const act = async (run: () => Promise<void>) => {
    setBusy(true);
    setFailure(null);
    try {
      await run();
    } catch (error) {
      setFailure((error as Error).message);
    }
    setBusy(false);
  };
  return { failure, busy, act };
}

function Password() {
  const [form, setForm] = useState({ password: "", new_password: "" });
  const { failure, busy, act } = useAct();
  const submit = (e: FormEvent) => {
    e.preventDefault();
    void act(async () => {
      await send("POST", "/dashboard/api/user/password", form);
      setForm({ password: "", new_password: "" });
      toast("The password was changed. All other sessions have ended.");
    });
  };
  return (
    <form onSubmit={submit} className="card p-5 grid gap-4">
      <h2 className="font-semibold">Password</h2>
      <Field label="Password now">{(p) => <input {...p} type="password" autoComplete="current-password" required value={form.password} onChange={(e) => setForm({ ...form, password: e.target.value })} />}</Field>
      <Field label="New password" hint="At least 12 characters." error={failure}>
        {(p) => <input {...p} type="password" autoComplete="new-password" required minLength={12} value={form.new_password} onChange={(e) => setForm({ ...form, new_password: e.target.value })} />}
      </Field>
      <div><Button type="submit" busy={busy}>Change the password</Button></div>
    </form>
  );
}

/** A picture of a text that a telephone reads. */
function QR({ text }: { text: string }) {
  const { data, size } = encode(text, { border: 2 });
  const path = data.map((row, y) => row.map((on, x) => (on ? `M${x} ${y}h1v1h-1z` : "")).join("")).join("");
  return <svg viewBox={`0 0 ${size} ${size}`} role="img" aria-label="The secret as a picture to scan" className="size-44 rounded-lg" shapeRendering="crispEdges"><rect width={size} height={size} fill="#fff" /><path d={path} fill="#000" /></svg>;
}

function SecondFactor() {
  const { session } = useSigned();
  const client = useQueryClient();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [begun, setBegun] = useState<{ secret: string; url: string } | null>(null);
  const [recovery, setRecovery] = useState<string[] | null>(null);
  const { failure, busy, act } = useAct();
  const on = session.user.second_factor;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    void act(async () => {
      if (on) await send("POST", "/dashboard/api/user/second-factor/remove", { password, code });
      else if (begun) setRecovery((await send<{ recovery_codes: string[] }>("POST", "/dashboard/api/user/second-factor/confirm", { code })).recovery_codes);
      else {
        setBegun(await send("POST", "/dashboard/api/user/second-factor", { password }));
        return;
      }
      setBegun(null);
      setPassword("");
      setCode("");
      await client.invalidateQueries({ queryKey: ["session"] });
    });
  };
  return (
    <form onSubmit={submit} className="card p-5 grid gap-4">
      <h2 className="font-semibold flex items-center gap-2">Second factor {on ? <Badge tone="good">On</Badge> : <Badge tone="warn">Off</Badge>}</h2>
      {recovery && (
        <div className="grid gap-2">
          <p>These recovery codes are shown once. Each works once, when the authenticator is lost.</p>
          <Command text={recovery.join("\n")} />
        </div>
      )}
      {on && !recovery && <p className="text-soft">{session.user.recovery_codes} recovery codes are left.</p>}
      {begun ? (
        <div className="flex flex-wrap gap-5 items-center"><QR text={begun.url} /><div className="grid gap-2 min-w-0"><p className="text-soft">Scan this with an authenticator, or enter:</p><CopyText text={begun.secret} /></div></div>
      ) : (
        <Field label="Password" error={on ? null : failure}>{(p) => <input {...p} type="password" autoComplete="current-password" required value={password} onChange={(e) => setPassword(e.target.value)} />}</Field>
      )}
      {(on || begun) && <Field label="Code" error={failure}>{(p) => <input {...p} autoComplete="one-time-code" required value={code} onChange={(e) => setCode(e.target.value)} />}</Field>}
      <div><Button type="submit" look={on ? "plain" : "primary"} busy={busy}>{on ? "Turn it off" : begun ? "Confirm" : "Set it up"}</Button></div>
    </form>
  );
}

function Sessions() {
  const client = useQueryClient();
  const list = useGet<{ items: SessionItem[] }>("/dashboard/api/sessions");
  const end = async (path: string, said: string) => {
    try {
      await send("DELETE", path);
      toast(said);
    } catch (error) {
      toast((error as Error).message, true);
    }
    await client.invalidateQueries({ queryKey: keyOf("/dashboard/api/sessions") });
  };
  return (
    <section className="card overflow-hidden" aria-label="Sessions">
      <header className="flex items-center justify-between px-5 py-4 border-b border-line">
        <h2 className="font-semibold">Where you are signed in</h2>
        {(list.data?.items.length ?? 0) > 1 && <Button small onClick={() => void end("/dashboard/api/sessions", "All other sessions have ended.")}>Sign out everywhere else</Button>}
      </header>
      {!list.data && <div className="p-5"><Skeleton className="h-10 w-full" /></div>}
      <ul className="divide-y divide-line">
        {list.data?.items.map((s) => (
          <li key={s.session_id} className="px-5 py-3 flex items-center gap-4">
            <div className="min-w-0 flex-1"><p className="truncate">{s.agent || "Unknown browser"}</p><p className="text-sm text-soft">{s.address}, signed in {ago(s.created_at)}</p></div>
            {s.current ? <Badge tone="good">This one</Badge> : <Button small onClick={() => void end(`/dashboard/api/sessions/${s.session_id}`, "The session has ended.")}>Sign out</Button>}
          </li>
        ))}
      </ul>
    </section>
  );
}
